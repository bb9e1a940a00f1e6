import { CairnError } from "./errors.ts";

interface Waiting {
  readonly id: string;
  readonly go: () => void;
  readonly stop: (error: CairnError) => void;
}

/**
 * Holds new work back until a run has come by everything that is on record. A flow that goes
 * another way than its records is stopped here, before it does anything: branches that run side
 * by side wait for one another until each has come to something new or to its end.
 */
export class Rehearsal {
  readonly #recorded: readonly string[];
  readonly #left: Set<string>;
  /** Waits of effects in doubt, which are come by together with their step. */
  readonly #doubts: readonly string[];
  readonly #reached: string[] = [];
  #waiting: Waiting[] = [];
  #branches = 1;

  constructor(recorded: readonly string[]) {
    this.#recorded = recorded;
    this.#left = new Set(recorded);
    this.#doubts = recorded.filter((id) => id.includes("/inDoubt/"));
  }

  /** The run came by this id, and by what belongs to it. */
  reached(id: string): void {
    if (this.#left.size === 0) return;
    this.#reached.push(id);
    this.#left.delete(id);
    for (const doubt of this.#doubts) {
      if (doubt.startsWith(`${id}/inDoubt/`)) this.#left.delete(doubt);
    }
    this.#settle();
  }

  /** Resolves when something new may be done. Throws `flow.diverged` with both lists. */
  async begin(id: string): Promise<void> {
    if (this.#left.size === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ id, go: resolve, stop: reject });
      this.#settle();
    });
  }

  /** One branch became many, and waits for them. */
  forked(branches: number): void {
    this.#branches += branches - 1;
  }

  /** A branch came to its end, or waits for another one. */
  ended(): void {
    this.#branches -= 1;
    this.#settle();
  }

  /** One that waited, for its branches or for another one, goes on. */
  joined(): void {
    this.#branches += 1;
  }

  #settle(): void {
    const stuck = this.#waiting.length > 0 && this.#waiting.length === this.#branches;
    if (this.#left.size > 0 && !stuck) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#left.size === 0) for (const { go } of waiting) go();
    else for (const { id, stop } of waiting) stop(this.#diverged(id));
  }

  #diverged(id: string): CairnError {
    const recorded = this.#recorded.join(", ");
    const now = this.#reached.join(", ");
    const missed = [...this.#left].join(", ");
    return new CairnError(
      "flow.diverged",
      `The flow went another way than its records, and stopped before any effect: it came to ${id} without ${missed}. Recorded: ${recorded}. Now: ${now}. Go back to the code that it was recorded with, or fork the session before that point.`,
      { details: { recorded, now } },
    );
  }
}
