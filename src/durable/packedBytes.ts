import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";

/** Less is hardly ever smaller for it, and costs the same time. */
const worthPacking = 100;
const options = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Bytes as they lie in the store: `size` is what they unpack to, 0 for bytes that are as they were. */
export interface PackedBytes {
  readonly bytes: Uint8Array;
  readonly size: number;
}

export function packBytes(bytes: Uint8Array): PackedBytes {
  if (bytes.length < worthPacking) return { bytes, size: 0 };
  const packed = zstdCompressSync(bytes, options);
  return packed.length < bytes.length * 0.95
    ? { bytes: packed, size: bytes.length }
    : { bytes, size: 0 };
}

/** Null for bytes that are not what was packed: never more of them than `size` says. */
export function unpackBytes({ bytes, size }: PackedBytes): Uint8Array | null {
  if (size === 0) return bytes;
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: size });
  } catch {
    return null;
  }
}
