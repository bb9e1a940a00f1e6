import { createHash } from "node:crypto";
import type { Blobs } from "../../src/snapshot/blobs.ts";

/** Blobs by digest, kept in memory. */
export class MemoryBlobs implements Blobs {
  readonly stored = new Map<string, Uint8Array>();
  puts = 0;

  async putBlobs(blobs: readonly Uint8Array[]): Promise<readonly string[]> {
    this.puts += blobs.length;
    return blobs.map((bytes) => {
      const digest = createHash("sha256").update(bytes).digest("hex");
      if (!this.stored.has(digest)) this.stored.set(digest, Uint8Array.from(bytes));
      return digest;
    });
  }

  async getBlob(digest: string): Promise<Uint8Array | null> {
    return this.stored.get(digest) ?? null;
  }
}
