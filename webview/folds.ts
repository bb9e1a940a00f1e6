/** What of a card is folded away and is part of what an answer agrees to. */
export class Folds {
  readonly #closed = new Set<() => void>();
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get count(): number {
    return this.#closed.size;
  }

  /** A part that stands closed; `open` shows it. Gives what is called when it was shown. */
  add(open: () => void): () => void {
    this.#closed.add(open);
    return () => {
      if (this.#closed.delete(open)) this.#changed();
    };
  }

  openAll(): void {
    for (const open of this.#closed) open();
  }
}
