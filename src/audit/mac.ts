import { hash, timingSafeEqual } from "node:crypto";

const blockBytes = 64;

/**
 * HMAC-SHA-256 (RFC 2104) of texts, in hex, with one key of at most 64 bytes. On the one-shot hash,
 * for every effect waits for one.
 */
export class Mac {
  readonly #inner: Buffer;
  readonly #outer: Buffer;

  constructor(key: Uint8Array) {
    this.#inner = Buffer.alloc(blockBytes, 0x36);
    this.#outer = Buffer.alloc(blockBytes, 0x5c);
    for (const [index, byte] of key.entries()) {
      this.#inner[index] = byte ^ 0x36;
      this.#outer[index] = byte ^ 0x5c;
    }
  }

  of(text: string): string {
    const inner = hash("sha256", Buffer.concat([this.#inner, Buffer.from(text)]), "buffer");
    return hash("sha256", Buffer.concat([this.#outer, inner]));
  }

  isOf(text: string, mac: string): boolean {
    const wanted = Buffer.from(this.of(text));
    const given = Buffer.from(mac);
    return wanted.length === given.length && timingSafeEqual(wanted, given);
  }
}
