/**
 * One stream of one command, byte-exact up to its bound and head and tail past it. It ends at a
 * marker that nobody could know before it was asked for, so that no output can fake its own end.
 */
export class OutputStream {
  readonly #keep: number;
  readonly #onBytes: (bytes: Uint8Array) => void;
  readonly #head: Uint8Array[] = [];
  readonly #tail: Uint8Array[] = [];
  #headBytes = 0;
  #tailBytes = 0;
  #total = 0;
  #marker: Buffer | null = null;
  /** The end of what arrived while a marker is awaited: it may be the marker's first part. */
  #held: Buffer = Buffer.alloc(0);
  #onEnd: (() => void) | null = null;
  #ended = false;

  /** `onBytes` sees all bytes, each time before they are kept. */
  constructor(keep: number, onBytes: (bytes: Uint8Array) => void) {
    this.#keep = keep;
    this.#onBytes = onBytes;
  }

  get truncated(): boolean {
    return this.#total > this.#keep;
  }

  get received(): number {
    return this.#total;
  }

  push(chunk: Buffer): void {
    if (this.#ended) return;
    if (this.#marker === null) {
      this.#take(chunk);
      return;
    }
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const at = bytes.indexOf(this.#marker);
    if (at >= 0) {
      this.#held = Buffer.alloc(0);
      this.#take(bytes.subarray(0, at));
      this.end();
      return;
    }
    const sure = Math.max(0, bytes.length - this.#marker.length + 1);
    // The memory of a chunk is its giver's.
    this.#held = Buffer.from(bytes.subarray(sure));
    this.#take(bytes.subarray(0, sure));
  }

  /** Resolves when the marker has come, or the stream has ended without it. */
  async endsAt(marker: Buffer): Promise<void> {
    this.#marker = marker;
    if (this.#ended) return;
    await new Promise<void>((resolve) => {
      this.#onEnd = resolve;
    });
  }

  /** No more will come, or no more is wanted. */
  end(): void {
    if (this.#ended) return;
    this.#take(this.#held);
    this.#ended = true;
    this.#onEnd?.();
  }

  /** What is kept, without a word about what is not. */
  kept(): Uint8Array {
    return Buffer.concat([...this.#head, ...this.#tail]);
  }

  /** What is kept, with a line in the gap. */
  bytes(): Uint8Array {
    if (!this.truncated) return this.kept();
    const left = this.#total - this.#headBytes - this.#tailBytes;
    return Buffer.concat([
      ...this.#head,
      Buffer.from(`\n[... ${left} bytes left out ...]\n`),
      ...this.#tail,
    ]);
  }

  #take(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#total += bytes.length;
    this.#onBytes(bytes);
    const half = Math.floor(this.#keep / 2);
    const toHead = bytes.subarray(0, half - this.#headBytes);
    if (toHead.length > 0) {
      this.#head.push(Buffer.from(toHead));
      this.#headBytes += toHead.length;
    }
    this.#takeTail(bytes.subarray(toHead.length), this.#keep - half);
  }

  #takeTail(bytes: Buffer, room: number): void {
    if (bytes.length === 0) return;
    const last = bytes.subarray(Math.max(0, bytes.length - room));
    this.#tail.push(Buffer.from(last));
    this.#tailBytes += last.length;
    let first = this.#tail[0];
    while (first !== undefined && this.#tailBytes > room) {
      const excess = this.#tailBytes - room;
      if (first.length <= excess) this.#tail.shift();
      else this.#tail[0] = first.subarray(excess);
      this.#tailBytes -= Math.min(excess, first.length);
      first = this.#tail[0];
    }
  }
}
