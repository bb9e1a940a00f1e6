import { randomBytes } from "node:crypto";
import { CairnError } from "../core/errors.ts";
import { fromPanel, type FromPanel } from "../protocol.ts";

/** What names a wait as it was shown. */
export interface ShownWait {
  readonly session: string;
  readonly wait: string;
  readonly digest: string;
}

/** A person with a mouse, a keyboard and a batch of cards stays far below. */
const burst = 200;
const perSecond = 20;
/** How many waits that are gone may still be answered, in vain. */
const keptPast = 50;

/** The panel's side is untrusted: only what was really shown to this page is answered, once. */
export class PanelDoor {
  readonly #now: () => number;
  readonly #nonces = new Map<string, string>();
  #left = burst;
  #lastAt: number;
  #dropped = 0;

  /** `now` is a clock that never goes back, in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
    this.#lastAt = now();
  }

  /** A message as it may be acted on; null for what is none, or one too many. `said` gets one sentence when a flood ends. */
  read(raw: unknown, said: (sentence: string) => void): FromPanel | null {
    if (!this.#mayPass(said)) return null;
    const parsed = fromPanel.safeParse(raw);
    if (parsed.success) return parsed.data;
    said("The panel sent what is no message of Cairn; nothing was done with it.");
    return null;
  }

  /** A new page has shown nothing yet. */
  reset(): void {
    this.#nonces.clear();
  }

  /** The nonce that a wait is sent with: the same for as long as it is shown and not answered. */
  nonceFor(shown: ShownWait): string {
    const known = this.#nonces.get(keyOf(shown));
    if (known !== undefined) return known;
    const nonce = randomBytes(16).toString("base64url");
    this.#nonces.set(keyOf(shown), nonce);
    return nonce;
  }

  /**
   * Forgets the oldest nonces beside those of these waits. Some of what was just shown are kept: an
   * answer that was under way when somebody else's came first is told who that was.
   */
  keepOnly(shown: readonly ShownWait[]): void {
    const keys = new Set(shown.map(keyOf));
    const gone = [...this.#nonces.keys()].filter((key) => !keys.has(key));
    for (const key of gone.slice(0, -keptPast)) this.#nonces.delete(key);
  }

  /** Uses a nonce up. Throws `wait.notShown` for every other one. */
  take(shown: ShownWait & { readonly nonce: string }): void {
    const key = keyOf(shown);
    if (this.#nonces.get(key) === shown.nonce) {
      this.#nonces.delete(key);
      return;
    }
    throw new CairnError(
      "wait.notShown",
      `This answer is not from what the panel shows now of ${shown.wait}. Look again and answer that.`,
    );
  }

  #mayPass(said: (sentence: string) => void): boolean {
    const now = this.#now();
    this.#left = Math.min(burst, this.#left + ((now - this.#lastAt) / 1000) * perSecond);
    this.#lastAt = now;
    if (this.#left < 1) {
      this.#dropped += 1;
      return false;
    }
    this.#left -= 1;
    if (this.#dropped > 0) {
      said(`The panel sent too many messages at once; ${this.#dropped} of them were dropped.`);
      this.#dropped = 0;
    }
    return true;
  }
}

function keyOf({ session, wait, digest }: ShownWait): string {
  return JSON.stringify([session, wait, digest]);
}
