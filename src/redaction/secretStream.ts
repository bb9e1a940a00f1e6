import { redactText, secretsIn, withMarkers, type Telling } from "./redactText.ts";
import type { SecretSpan } from "./secretSpan.ts";

/** How much of the end is held back at least: what may begin a secret whose rest is still to come. */
const usuallyHeld = 8192;
/** How much of what is given out already is looked at again, for what stands before a secret tells of it. */
const context = 512;
/** One that is longer is given out as far as it is known to be one. */
const longest = 1024 * 1024;

/**
 * Bytes in, bytes without secrets out. What is no text stays byte for byte. A secret is found
 * however it is cut into pieces.
 */
export class SecretStream {
  readonly #telling: Telling;
  /** One character a byte. */
  #text = "";
  /** So much of the text is given out already. */
  #given = 0;

  constructor(telling: Telling) {
    this.#telling = telling;
  }

  /** What can be given out by now. */
  push(chunk: Uint8Array): Uint8Array {
    this.#text += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1");
    const held = Math.max(usuallyHeld, this.#telling.known.longest);
    // Not at every byte: looking costs by the length of what is held.
    if (this.#text.length - this.#given < 2 * held) return new Uint8Array();
    return this.#give(this.#text.length - held);
  }

  /** The rest. */
  end(): Uint8Array {
    return this.#give(this.#text.length);
  }

  #give(wanted: number): Uint8Array {
    const text = this.#text;
    const spans = secretsIn(text, this.#telling).filter(({ end }) => end > this.#given);
    const cut = spans.find(({ start, end }) => start < wanted && end > wanted);
    const whole = wanted === text.length || cut === undefined || wanted - cut.start > longest;
    const upTo = whole ? wanted : Math.max(cut.start, this.#given);
    const out: SecretSpan[] = spans
      .filter(({ start }) => start < upTo)
      .map(({ start, end, kind }) => ({
        start: Math.max(start, this.#given) - this.#given,
        end: Math.min(end, upTo) - this.#given,
        kind,
      }));
    const piece = text.slice(this.#given, upTo);
    // What is taken out can uncover what was glued to it.
    const plain =
      out.length === 0 ? piece : redactText(withMarkers(piece, out), this.#telling).text;
    const from = Math.max(0, upTo - context);
    this.#text = text.slice(from);
    this.#given = upTo - from;
    return Buffer.from(plain, "latin1");
  }
}
