import type { CommandPart, StreamChange } from "../core/action.ts";
import type { Spoken } from "./spoken.ts";

/** Nothing that a person would read at a glance is longer. */
const longest = 8_000;
/** Printable ASCII and the line's end: no character that shells, terminals or locales disagree on. */
const plainText = /^[\n\u0020-\u007e]*$/u;
/** These mean themselves wherever they stand in a word. */
const plainCharacters = /[\w%+,./:@^=-]+/uy;
/** A tilde after one of these is no home directory. */
const beforeTilde = /[\w@^]/u;
const escapedInDouble = /["$\\`]/u;
const operator = /&&|\|\||[|;\n]/uy;
const stream = /(?:2> ?\/dev\/null|1?> ?\/dev\/null|2>&1)(?=[ ;|\n]|$)/uy;
const joins: ReadonlyMap<string, CommandPart["join"]> = new Map<string, CommandPart["join"]>([
  [";", "then"],
  ["\n", "then"],
  ["&&", "and"],
  ["||", "or"],
  ["|", "pipe"],
]);

/**
 * Reads a list of simple commands of literal words, by rules that are few enough to be known by
 * heart. Null for every character whose meaning in bash depends on anything else.
 */
export function readWords(text: string): readonly Spoken[] | null {
  if (text.length > longest || !plainText.test(text)) return null;
  return new Words(text.replace(/[\n ]+$/u, "").replace(/^[\n ]+/u, "")).list();
}

class Words {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  list(): readonly Spoken[] | null {
    const parts: Spoken[] = [];
    let join: CommandPart["join"] = null;
    for (;;) {
      const part = this.#command(join);
      if (part === null) return null;
      parts.push(part);
      if (this.#at === this.#text.length) return parts;
      join = joins.get(this.#take(operator) ?? "") ?? null;
      if (join === null) return null;
      this.#take(/[\n ]+/uy);
      // The last command may end with a semicolon.
      if (this.#at === this.#text.length) return join === "then" ? parts : null;
    }
  }

  #command(join: CommandPart["join"]): Spoken | null {
    const argv: string[] = [];
    const streams: StreamChange[] = [];
    for (;;) {
      this.#take(/ +/uy);
      if (this.#at === this.#text.length || /[\n&;|]/u.test(this.#here())) break;
      const change = argv.length === 0 ? null : this.#take(stream);
      if (change !== null) {
        streams.push(streamOf(change));
        continue;
      }
      const word = this.#word();
      if (word === null) return null;
      argv.push(word);
    }
    if (argv.length === 0) return null;
    return { argv, join, ...(streams.length === 0 ? {} : { streams }) };
  }

  #word(): string | null {
    let word = "";
    const start = this.#at;
    while (this.#at < this.#text.length && !/[\n &;|]/u.test(this.#here())) {
      const piece = this.#piece(start);
      if (piece === null) return null;
      word += piece;
    }
    return word;
  }

  #piece(start: number): string | null {
    const plain = this.#take(plainCharacters);
    if (plain !== null) return plain;
    const here = this.#here();
    this.#at += 1;
    if (here === "'") return this.#single();
    if (here === '"') return this.#double();
    const before = this.#text[this.#at - 2] ?? "";
    if (here === "~") return this.#at - 1 > start && beforeTilde.test(before) ? "~" : null;
    const escaped = this.#here();
    if (here !== "\\" || escaped === "" || escaped === "\n") return null;
    this.#at += 1;
    return escaped;
  }

  #single(): string | null {
    const end = this.#text.indexOf("'", this.#at);
    if (end === -1) return null;
    const inside = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return inside;
  }

  #double(): string | null {
    let inside = "";
    for (; this.#at < this.#text.length; this.#at += 1) {
      const here = this.#here();
      if (here === '"') {
        this.#at += 1;
        return inside;
      }
      if (/[!$`]/u.test(here)) return null;
      if (here === "\\") {
        const next = this.#text[this.#at + 1] ?? "";
        if (next === "\n" || next === "!") return null;
        if (escapedInDouble.test(next)) {
          inside += next;
          this.#at += 1;
          continue;
        }
      }
      inside += here;
    }
    return null;
  }

  #here(): string {
    return this.#text[this.#at] ?? "";
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }
}

function streamOf(written: string): StreamChange {
  if (written.startsWith("2>&")) return "2>&1";
  return written.startsWith("2") ? "2>/dev/null" : ">/dev/null";
}
