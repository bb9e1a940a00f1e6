import { deflateRawSync, inflateRawSync } from "node:zlib";

/** Less is hardly ever smaller for it, and costs the same time. */
const worthPacking = 100;
/** A source file is smallest, and as fast, at the usual level; what is large must above all be fast. */
const large = 256 * 1024;

/** Bytes as they lie in the store: `size` is what they unpack to, 0 for bytes that are as they were. */
export interface PackedBytes {
  readonly bytes: Uint8Array;
  readonly size: number;
}

export function packBytes(bytes: Uint8Array): PackedBytes {
  if (bytes.length < worthPacking) return { bytes, size: 0 };
  const packed = deflateRawSync(bytes, { level: bytes.length > large ? 1 : 6 });
  const worth = packed.length < bytes.length * 0.95;
  return worth ? { bytes: packed, size: bytes.length } : { bytes, size: 0 };
}

/** Null for bytes that are not what was packed: never more of them than `size` says. */
export function unpackBytes({ bytes, size }: PackedBytes): Uint8Array | null {
  if (size === 0) return bytes;
  try {
    return inflateRawSync(bytes, { maxOutputLength: size });
  } catch {
    return null;
  }
}
