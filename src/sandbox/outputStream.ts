/**
 * One stream of one command, byte-exact up to its bound and head and tail past it. It ends at a
 * marker that nobody could know before it was asked for, so that no output can fake its own end.
 */
export class OutputStream {
  readonly #keep: number;
  readonly #onBytes: (bytes: Uint8Array) => void;
  readonly #head: Uint8Array[] = [];
  #headBytes = 0;
  /** A ring, so that a long output leaves no garbage; the oldest byte is at `#tailAt` once it is full. */
  #tail: Buffer | null = null;
  #tailAt = 0;
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
    const fresh = this.#afterHeld(chunk, this.#marker);
    if (fresh === null) return;
    const at = fresh.indexOf(this.#marker);
    if (at >= 0) {
      this.#take(fresh.subarray(0, at));
      this.end();
    } else {
      this.#hold(fresh, this.#marker);
    }
  }

  /**
   * Looks for a marker that began in an earlier chunk. Joins no more than that takes: chunks are
   * large and many. Null when nothing is left of this one.
   */
  #afterHeld(chunk: Buffer, marker: Buffer): Buffer | null {
    const held = this.#held;
    if (held.length === 0) return chunk;
    this.#held = Buffer.alloc(0);
    const joint = Buffer.concat([held, chunk.subarray(0, marker.length - 1)]);
    const at = joint.indexOf(marker);
    if (at >= 0) {
      this.#take(joint.subarray(0, at));
      this.end();
      return null;
    }
    if (chunk.length < marker.length - 1) {
      this.#hold(joint, marker);
      return null;
    }
    this.#take(held);
    return chunk;
  }

  /** Keeps back what may be the first part of the marker. */
  #hold(bytes: Buffer, marker: Buffer): void {
    const sure = Math.max(0, bytes.length - marker.length + 1);
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
    return Buffer.concat([...this.#head, ...this.#tailInOrder()]);
  }

  /** What is kept, with a line in the gap. */
  bytes(): Uint8Array {
    if (!this.truncated) return this.kept();
    const left = this.#total - this.#headBytes - this.#tailBytes;
    return Buffer.concat([
      ...this.#head,
      Buffer.from(`\n[... ${left} bytes left out ...]\n`),
      ...this.#tailInOrder(),
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
    const tail = (this.#tail ??= Buffer.allocUnsafeSlow(room));
    const last = bytes.subarray(Math.max(0, bytes.length - room));
    const toEnd = last.copy(tail, this.#tailAt);
    last.copy(tail, 0, toEnd);
    this.#tailAt = (this.#tailAt + last.length) % room;
    this.#tailBytes = Math.min(room, this.#tailBytes + last.length);
  }

  #tailInOrder(): readonly Uint8Array[] {
    if (this.#tail === null) return [];
    if (this.#tailBytes < this.#tail.length) return [this.#tail.subarray(0, this.#tailBytes)];
    return [this.#tail.subarray(this.#tailAt), this.#tail.subarray(0, this.#tailAt)];
  }
}
