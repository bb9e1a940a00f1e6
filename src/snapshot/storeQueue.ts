import type { Blobs } from "./blobs.ts";
import { sha256 } from "./sha256.ts";

/** Each batch is one sync of the disk; the next one is read while it is written. */
const batchBlobs = 2048;
const batchBytes = 8 * 1024 * 1024;
const batchesUnderWay = 2;

/** Bytes on their way into the store, in batches. */
export class StoreQueue {
  readonly #blobs: Pick<Blobs, "putBlobs">;
  readonly #sent = new Set<string>();
  #batch: Uint8Array[] = [];
  #bytes = 0;
  readonly #underWay: Promise<unknown>[] = [];

  constructor(blobs: Pick<Blobs, "putBlobs">) {
    this.#blobs = blobs;
  }

  /** Whether `room` has to be awaited before more is added. */
  get full(): boolean {
    return this.#batch.length >= batchBlobs || this.#bytes >= batchBytes;
  }

  /** Takes bytes, unless they have the digest of what is stored already; returns their digest. */
  add(bytes: Uint8Array, stored: string | null = null): string {
    const digest = sha256(bytes);
    if (digest === stored || this.#sent.has(digest)) return digest;
    this.#sent.add(digest);
    this.#batch.push(bytes);
    this.#bytes += bytes.length;
    return digest;
  }

  /** Sends what has come together. Resolves when there is room for more. */
  async room(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#bytes = 0;
    const put = this.#blobs.putBlobs(batch);
    // Awaited by `room` or `done`, whichever comes first; until then a failure is nobody's.
    put.catch(() => {});
    this.#underWay.push(put);
    if (this.#underWay.length >= batchesUnderWay) await this.#underWay.shift();
  }

  /** Resolves when all of it is on disk. */
  async done(): Promise<void> {
    if (this.#batch.length > 0) await this.room();
    await Promise.all(this.#underWay);
  }
}
