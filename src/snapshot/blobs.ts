/** Where one session's trees keep their bytes. */
export interface Blobs {
  /** Stores bytes under their SHA-256 and resolves with the digests when all are on disk. */
  putBlobs(blobs: readonly Uint8Array[]): Promise<readonly string[]>;
  /** Null when there is no such blob; throws when the bytes do not match the digest. */
  getBlob(digest: string): Promise<Uint8Array | null>;
}
