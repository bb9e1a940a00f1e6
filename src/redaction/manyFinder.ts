/** Where one of the words lies. */
interface Found {
  readonly start: number;
  readonly length: number;
}

const hashBits = 16;

/**
 * Finds many words at once, after Wu and Manber: the last three bytes under a window of the
 * shortest word's length say how far no word can end, so most of a text is never looked at.
 */
export class ManyFinder {
  /** Of the longest word, in characters. */
  readonly longest: number;
  readonly #window: number;
  /** By hash of three bytes: how far to go on; zero where a word may end. */
  readonly #skips: Uint8Array;
  /** By hash: the words whose window ends so. */
  readonly #words = new Map<number, Buffer[]>();
  /** By first byte. */
  readonly #byFirst: Buffer[][] = [];
  readonly #texts = new Map<Buffer, string>();

  /** Every word has at least three characters. */
  constructor(words: readonly string[]) {
    const texts = [...new Set(words)];
    this.longest = Math.max(...texts.map(({ length }) => length));
    this.#window = Math.min(250, ...texts.map(({ length }) => length));
    this.#skips = new Uint8Array(1 << hashBits).fill(this.#window - 2);
    for (const text of texts) this.#add(text);
  }

  /** Every place at which `isThere` agrees: the bytes may be less than the text that is meant. */
  find(bytes: Uint8Array, isThere: (word: string, start: number) => boolean): readonly Found[] {
    const found: Found[] = [];
    this.#scan(bytes, (word, start) => {
      const text = this.#texts.get(word) ?? "";
      if (isThere(text, start)) found.push({ start, length: text.length });
      return false;
    });
    return found;
  }

  some(bytes: Uint8Array): boolean {
    return this.#scan(bytes, () => true);
  }

  /** The first place from which on the bytes may be the beginning of a word; their length for none. */
  beginning(bytes: Uint8Array): number {
    for (let at = Math.max(0, bytes.length - this.longest + 1); at < bytes.length; at += 1) {
      for (const word of this.#byFirst[bytes[at] ?? 0] ?? []) {
        if (beginsAt(bytes, at, word)) return at;
      }
    }
    return bytes.length;
  }

  #add(text: string): void {
    const word = Buffer.from(text, "latin1");
    this.#texts.set(word, text);
    (this.#byFirst[word[0] ?? 0] ??= []).push(word);
    for (let end = 3; end <= this.#window; end += 1) {
      const hash = hashOf(word[end - 3] ?? 0, word[end - 2] ?? 0, word[end - 1] ?? 0);
      const skip = this.#window - end;
      if (skip < (this.#skips[hash] ?? 0)) this.#skips[hash] = skip;
      if (skip > 0) continue;
      const same = this.#words.get(hash);
      if (same === undefined) this.#words.set(hash, [word]);
      else same.push(word);
    }
  }

  /** True as soon as `enough` is. */
  #scan(bytes: Uint8Array, enough: (word: Buffer, start: number) => boolean): boolean {
    const skips = this.#skips;
    const { length } = bytes;
    let end = this.#window - 1;
    while (end < length) {
      const hash = hashOf(bytes[end - 2] ?? 0, bytes[end - 1] ?? 0, bytes[end] ?? 0);
      const skip = skips[hash] ?? 1;
      if (skip === 0) {
        const start = end - this.#window + 1;
        for (const word of this.#words.get(hash) ?? []) {
          if (isAt(bytes, start, word) && enough(word, start)) return true;
        }
        end += 1;
      } else end += skip;
    }
    return false;
  }
}

function hashOf(first: number, second: number, third: number): number {
  return ((third << 10) ^ (second << 5) ^ first) & ((1 << hashBits) - 1);
}

/** Whether the bytes end inside the word, and are the same as far as they go. */
function beginsAt(bytes: Uint8Array, start: number, word: Buffer): boolean {
  const length = bytes.length - start;
  if (length >= word.length) return false;
  for (let index = 1; index < length; index += 1) {
    if (bytes[start + index] !== word[index]) return false;
  }
  return true;
}

function isAt(bytes: Uint8Array, start: number, word: Buffer): boolean {
  if (start + word.length > bytes.length) return false;
  for (let index = 0; index < word.length; index += 1) {
    if (bytes[start + index] !== word[index]) return false;
  }
  return true;
}
