import { markerOf } from "../core/redactedMark.ts";
import type { KnownSecrets } from "./knownSecrets.ts";

const marker = Buffer.from(markerOf("known secret"));
/** One made of secrets that overlap is given out as a marker as far as it goes. */
const longest = 1024 * 1024;

/**
 * Bytes in, bytes without known secrets out, at once: held back is only what may begin a secret.
 * Values that are not known stay as they are, so that what is downloaded is what was sent.
 */
export class KnownSecretStream {
  readonly #known: KnownSecrets;
  #held: Uint8Array = new Uint8Array();

  constructor(known: KnownSecrets) {
    this.#known = known;
  }

  /** What can be given out by now. */
  push(chunk: Uint8Array): Uint8Array {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    return this.#give(bytes, this.#known.beginning(bytes));
  }

  /** The rest. */
  end(): Uint8Array {
    return this.#give(this.#held, this.#held.length);
  }

  #give(bytes: Uint8Array, wanted: number): Uint8Array {
    const spans = joined(this.#known.spansIn(bytes));
    const last = spans.at(-1);
    // What reaches into the part that is held back may be the beginning of more than it is.
    const cut = last !== undefined && last.end > wanted && wanted - last.start <= longest;
    const upTo = cut ? Math.min(last.start, wanted) : Math.max(wanted, last?.end ?? 0);
    this.#held = bytes.subarray(upTo);
    if (spans.length === 0 || (cut && spans.length === 1)) return bytes.subarray(0, upTo);
    const pieces: Uint8Array[] = [];
    let at = 0;
    for (const { start, end } of cut ? spans.slice(0, -1) : spans) {
      pieces.push(bytes.subarray(at, start), marker);
      at = end;
    }
    pieces.push(bytes.subarray(at, upTo));
    return Buffer.concat(pieces);
  }
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** In order, without those that lie in others. */
function joined(spans: readonly Span[]): readonly Span[] {
  const whole: { start: number; end: number }[] = [];
  for (const { start, end } of spans.toSorted((one, two) => one.start - two.start)) {
    const before = whole.at(-1);
    if (before !== undefined && start < before.end) before.end = Math.max(before.end, end);
    else whole.push({ start, end });
  }
  return whole;
}
