import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** One process that competes for a session, as seen by a test. */
export class Rival {
  readonly child: ChildProcess;
  readonly said: string[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #closed: Promise<unknown>;

  constructor(built: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const child = spawn(process.execPath, [join(built, "rivalWriter.mjs"), built, ...args], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.child = child;
    this.#closed = once(child, "close");
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.said.push(line);
      for (const listener of this.#listeners) listener();
    });
  }

  /** Numbers of the records that were acknowledged to it. */
  get acknowledged(): readonly number[] {
    return this.said.map(Number).filter((number) => number > 0);
  }

  /** Resolves once it has said something that fits; throws when it ends without. */
  async says(fits: (line: string) => boolean): Promise<void> {
    const fitted = new Promise<void>((resolve) => {
      const listener = (): void => {
        if (!this.said.some(fits)) return;
        this.#listeners.delete(listener);
        resolve();
      };
      this.#listeners.add(listener);
      listener();
    });
    await Promise.race([fitted, this.#closed]);
    if (this.said.some(fits)) return;
    throw new Error(`it ended (${this.child.exitCode}) after ${this.said.join()}`);
  }

  /** Resolves when it has ended; throws when it failed. */
  async ends(): Promise<void> {
    await this.#closed;
    if (this.child.exitCode !== 0) throw new Error(`it failed after ${this.said.join()}`);
  }
}
