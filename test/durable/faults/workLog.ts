import { appendFileSync, existsSync, readFileSync } from "node:fs";

/**
 * What really happened, in a file outside the store, which the store knows nothing of: work that
 * was done, effects on the world, and records as they were acknowledged.
 */
export class WorkLog {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  add(kind: "work" | "effect" | "record", what: string): void {
    appendFileSync(this.#path, `${kind} ${what}\n`);
  }

  /** What was noted, in order, as often as it was. A line that a death cut short is left out. */
  all(kind: "work" | "effect" | "record"): readonly string[] {
    const lines = existsSync(this.#path) ? readFileSync(this.#path, "utf8").split("\n") : [];
    const prefix = `${kind} `;
    return lines
      .slice(0, -1)
      .flatMap((line) => (line.startsWith(prefix) ? [line.slice(prefix.length)] : []));
  }
}
