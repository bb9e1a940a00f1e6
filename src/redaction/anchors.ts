/** A text that every secret of some kind has in it; what finds the kind looks only around it. */
export interface Anchor {
  readonly text: string;
  /** In any case. Small letters then. */
  readonly folded?: boolean;
  /** Where in it the two bytes are that are looked up; the rarer they are the better. */
  readonly offset?: number;
}

interface Entry {
  readonly text: string;
  readonly offset: number;
  readonly bytes: Buffer;
  readonly mask: number;
}

const none: readonly number[] = [];

/** Where anchors lie in a text. */
export class Anchored {
  readonly #found = new Map<string, number[]>();

  get isEmpty(): boolean {
    return this.#found.size === 0;
  }

  entries(): Iterable<readonly [anchor: string, places: readonly number[]]> {
    return this.#found;
  }

  /** Offsets in order. */
  of(anchor: string): readonly number[] {
    return this.#found.get(anchor) ?? none;
  }

  add(anchor: string, start: number): void {
    const found = this.#found.get(anchor);
    if (found === undefined) this.#found.set(anchor, [start]);
    else found.push(start);
  }
}

/** Finds all anchors in one pass. */
export class Anchors {
  /** By two bytes that follow each other: zero, or which of `#buckets` has what may begin there. */
  readonly #table = new Uint8Array(65_536);
  readonly #buckets: Entry[][] = [[]];

  constructor(anchors: readonly Anchor[]) {
    for (const anchor of anchors) {
      const entry = entryOf(anchor);
      for (const pair of pairsOf(entry)) this.#enter(pair, entry);
    }
  }

  /** `bytes` are the low bytes of the text's characters: what differs above is found out where it is looked at. */
  in(bytes: Uint8Array): Anchored {
    const anchored = new Anchored();
    const table = this.#table;
    const { length } = bytes;
    let before = bytes[0] ?? 0;
    for (let at = 1; at < length; at += 1) {
      const byte = bytes[at] ?? 0;
      const bucket = table[(before << 8) | byte] ?? 0;
      before = byte;
      if (bucket === 0) continue;
      for (const entry of this.#buckets[bucket] ?? []) {
        const start = at - 1 - entry.offset;
        if (isAt(bytes, start, entry)) anchored.add(entry.text, start);
      }
    }
    return anchored;
  }

  #enter(pair: number, entry: Entry): void {
    const known = this.#table[pair] ?? 0;
    if (known > 0) this.#buckets[known]?.push(entry);
    else this.#table[pair] = this.#buckets.push([entry]) - 1;
  }
}

function entryOf({ text, folded = false, offset = 0 }: Anchor): Entry {
  return { text, offset, bytes: Buffer.from(text, "latin1"), mask: folded ? 0x20 : 0 };
}

function pairsOf({ bytes, offset, mask }: Entry): readonly number[] {
  const [first = 0, second = 0] = bytes.subarray(offset, offset + 2);
  return [...casesOf(first, mask)].flatMap((high) =>
    [...casesOf(second, mask)].map((low) => (high << 8) | low),
  );
}

function casesOf(byte: number, mask: number): ReadonlySet<number> {
  return new Set([byte, byte >= 97 ? byte & ~mask : byte]);
}

function isAt(bytes: Uint8Array, start: number, { bytes: wanted, mask }: Entry): boolean {
  if (start < 0 || start + wanted.length > bytes.length) return false;
  for (let index = 0; index < wanted.length; index += 1) {
    const byte = bytes[start + index] ?? 0;
    const want = wanted[index] ?? 0;
    // Of letters alone the case does not count.
    if (byte !== want && (mask === 0 || want < 97 || (byte | mask) !== want)) return false;
  }
  return true;
}
