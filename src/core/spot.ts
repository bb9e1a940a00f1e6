/**
 * One spot in a line of branches that take turns. It is left once: with what the next one goes on
 * from, or with null by who gives up. Who stands behind hears of it in the same moment, so that at
 * no time a branch that may go on counts as one that waits.
 */
export class Spot<Left> {
  readonly before: Spot<Left> | null;
  readonly #hearers: (() => void)[] = [];
  #left: Left | null | undefined = undefined;

  constructor(before: Spot<Left> | null) {
    this.before = before;
  }

  get isLeft(): boolean {
    return this.#left !== undefined;
  }

  /** What this one and all before it left with, the nearest first; null too for who is still there. */
  *andEarlier(): Generator<Left | null> {
    yield this.#left ?? null;
    if (this.before !== null) yield* this.before.andEarlier();
  }

  /** Only the first call counts. */
  leave(left: Left | null): void {
    if (this.isLeft) return;
    this.#left = left;
    for (const hear of this.#hearers) hear();
  }

  /** Leaves as soon as all before have. */
  pass(left: Left): void {
    if (this.before === null) this.leave(left);
    else this.before.whenLeft(() => this.leave(left));
  }

  /** Calls back once; at once when it is left already. */
  whenLeft(hear: () => void): void {
    if (this.isLeft) hear();
    else this.#hearers.push(hear);
  }
}
