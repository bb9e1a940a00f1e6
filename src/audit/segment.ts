import {
  closeSync,
  constants,
  fdatasync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  writeSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { LineSigner, type AuditContent } from "./auditLine.ts";

const sync = promisify(fdatasync);

/** A name that sorts by time and that no other process makes. */
export const segmentName = /^\d{14}-\d+-[0-9a-f]{12}\.jsonl$/;

function newName(at: number): string {
  const time = new Date(at).toISOString().replaceAll(/\D/gu, "").slice(0, 14);
  return `${time}-${process.pid}-${randomBytes(6).toString("hex")}.jsonl`;
}

/** One file of the log, and its only writer. */
export class Segment {
  readonly name: string;
  readonly startedAt: number;
  readonly #path: string;
  readonly #fd: number;
  readonly #signer: LineSigner;
  #bytes = 0;
  #seq = 0;
  #head = "";
  #at = 0;

  /** Makes the file. What it begins with is its first line, written with the first entries. */
  constructor(directory: string, { key, at }: { readonly key: Uint8Array; readonly at: number }) {
    const { O_CREAT, O_EXCL, O_WRONLY, O_APPEND, O_NOFOLLOW } = constants;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.name = newName(at);
    this.startedAt = at;
    this.#path = join(directory, this.name);
    this.#fd = openSync(this.#path, O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_NOFOLLOW, 0o600);
    this.#signer = new LineSigner(key, this.name);
    try {
      syncDirectory(directory);
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The newest line that is on disk; `seq` is 0 before there is one. */
  get tip(): { readonly seq: number; readonly head: string; readonly at: number } {
    return { seq: this.#seq, head: this.#head, at: this.#at };
  }

  /** Resolves when all are on disk; throws, and knows of none of them, when one is not. */
  async append(contents: readonly AuditContent[], at: number): Promise<void> {
    const up = Number(process.hrtime.bigint() / 1_000_000n);
    let [seq, prev] = [this.#seq, this.#head];
    const lines = contents.map((content) => {
      seq += 1;
      const line = this.#signer.line({ seq, at, up, prev }, content);
      prev = line.mac;
      return line.text;
    });
    const bytes = Buffer.from(lines.join(""));
    // Into the page cache from here, to the disk from a thread: one hop for each batch.
    for (let done = 0; done < bytes.length;) done += writeSync(this.#fd, bytes, done);
    await sync(this.#fd);
    this.#bytes += bytes.length;
    [this.#seq, this.#head, this.#at] = [seq, prev, at];
  }

  /** After a failure: what was not acknowledged is taken away, as far as the disk lets it. */
  abandon(): void {
    try {
      if (this.#seq === 0) rmSync(this.#path);
      else ftruncateSync(this.#fd, this.#bytes);
    } catch {
      // The line that is left is found to be unfinished, and said to be.
    }
    this.close();
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The name of a new file outlives a power cut, too. */
function syncDirectory(directory: string): void {
  const fd = openSync(directory, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
