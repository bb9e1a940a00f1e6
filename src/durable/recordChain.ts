import { createHmac, hash, timingSafeEqual } from "node:crypto";

/** What a signature covers beside its place: the row's text, and the digest of what lies outside it. */
export interface SignedRow {
  readonly body: string;
  /** SHA-256 of the row's large output, null when it has none. */
  readonly payload: Uint8Array | null;
}

const blockBytes = 64;
const digestBytes = 32;
/** The most bytes that a UTF-16 unit takes in UTF-8. */
const bytesPerUnit = 3;
const payloadMark = "\n";

/**
 * The key that signs one session's records, so that they cannot pass as another session's, and those
 * of an imported session not as our own. Sessions of store version 1 are signed with the key itself.
 */
export function sessionKey(
  key: Uint8Array,
  { session, readOnly }: { readonly session: string; readonly readOnly: boolean },
): Uint8Array {
  const kind = readOnly ? "imported" : "own";
  return createHmac("sha256", key).update(`cairn ${kind} session\n${session}`).digest();
}

/**
 * Signs the records of one session, each together with the one before it: a changed, moved, lost or
 * foreign one is noticed. HMAC-SHA256 on the one-shot hash, which costs a fifth of `createHmac`.
 */
export class RecordChain {
  readonly #number: number;
  /** What is hashed: the key's inner block, then the message. Used again, and grown when needed. */
  #inner: Buffer;
  readonly #outer = Buffer.alloc(blockBytes + digestBytes);

  /** `number` tells sessions of one store apart. */
  constructor(key: Uint8Array, number: number) {
    this.#number = number;
    this.#inner = Buffer.alloc(blockBytes + 4096);
    for (let at = 0; at < blockBytes; at += 1) {
      const byte = key[at] ?? 0;
      this.#inner[at] = byte ^ 0x36;
      this.#outer[at] = byte ^ 0x5c;
    }
  }

  /** The signature of record `seq`; `before` is the one of the record before it, empty for the first. */
  sign(seq: number, before: Uint8Array, { body, payload }: SignedRow): Uint8Array {
    const start = this.#start(`${this.#number}\n${seq}\n`, before, body);
    if (payload === null) return this.#finish(start);
    // No JSON text ends with this, so it is the text of no row without a payload.
    const end = start + this.#inner.write(payloadMark, start, "latin1");
    this.#inner.set(payload, end);
    return this.#finish(end + payload.length);
  }

  isSigned(seq: number, before: Uint8Array, row: SignedRow, mac: Uint8Array): boolean {
    return isSame(this.sign(seq, before, row), mac);
  }

  /** One signature for many records that were found sound, from `first` on; `mac` is the last one's. */
  seal(first: number, mac: Uint8Array, texts: string): Uint8Array {
    return this.#finish(this.#start(`seal\n${this.#number}\n${first}\n`, mac, texts));
  }

  isSealed(
    first: number,
    {
      mac,
      texts,
      seal,
    }: { readonly mac: Uint8Array; readonly texts: string; readonly seal: Uint8Array },
  ): boolean {
    return isSame(this.seal(first, mac, texts), seal);
  }

  /** Puts the beginning of a message after the key's block; returns where it ends. */
  #start(place: string, before: Uint8Array, text: string): number {
    const most = place.length + before.length + text.length * bytesPerUnit + digestBytes + 1;
    this.#reserve(blockBytes + most);
    let end = blockBytes;
    end += this.#inner.write(place, end, "latin1");
    this.#inner.set(before, end);
    end += before.length;
    return end + this.#inner.write(text, end, "utf8");
  }

  #finish(end: number): Uint8Array {
    this.#outer.write(hash("sha256", this.#inner.subarray(0, end), "binary"), blockBytes, "binary");
    return hash("sha256", this.#outer, "buffer");
  }

  #reserve(bytes: number): void {
    if (this.#inner.length >= bytes) return;
    const larger = Buffer.alloc(bytes * 2);
    larger.set(this.#inner.subarray(0, blockBytes));
    this.#inner = larger;
  }
}

function isSame(expected: Uint8Array, given: Uint8Array): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}
