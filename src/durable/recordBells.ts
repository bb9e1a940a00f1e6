/** Wakes those who wait for a session's next record. */
export class RecordBells {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** How many are waiting. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Calls `wake` whenever the session may have a new record, until it is taken away again. */
  add(session: string, wake: () => void): () => void {
    const bells = this.#waiting.get(session) ?? new Set();
    this.#waiting.set(session, bells.add(wake));
    return () => {
      bells.delete(wake);
      if (bells.size === 0) this.#waiting.delete(session);
    };
  }

  ring(session: string): void {
    for (const wake of this.#waiting.get(session) ?? []) wake();
  }

  ringAll(): void {
    for (const session of this.#waiting.keys()) this.ring(session);
  }
}
