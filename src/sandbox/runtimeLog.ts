import { appendFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface RuntimeLogLimits {
  readonly bytes: number;
  readonly files: number;
}

const usualLimits: RuntimeLogLimits = { bytes: 5 * 1024 * 1024, files: 3 };
const name = "runtime.log";

/**
 * A session's `logs/runtime.log`, turned over by size. It lies beside the directory that commands
 * see as their logs, not in it: what they did is not theirs to rewrite.
 */
export class RuntimeLog {
  readonly #path: string;
  readonly #limits: RuntimeLogLimits;
  readonly #clean: (line: string) => string;

  /** `home` is the session's own directory; `clean` takes out what must not be kept. */
  constructor(
    home: string,
    clean: (line: string) => string,
    limits: RuntimeLogLimits = usualLimits,
  ) {
    this.#path = join(directoryOf(home), name);
    this.#clean = clean;
    this.#limits = limits;
  }

  /** Never throws: no session fails for want of a log. */
  write(line: string): void {
    // Set in, so that no text of a command looks like a line of ours.
    const text = this.#clean(line).replaceAll(/\r?\n|\r/gu, "\n    ");
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      this.#turnOver();
      appendFileSync(this.#path, `${new Date().toISOString()} ${text}\n`, { mode: 0o600 });
    } catch {
      // The disk is full or the session was deleted meanwhile.
    }
  }

  #turnOver(): void {
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    if (size < this.#limits.bytes) return;
    for (let older = this.#limits.files - 1; older > 0; older -= 1) {
      const newer = older === 1 ? this.#path : `${this.#path}.${older - 1}`;
      if (statSync(newer, { throwIfNoEntry: false }) !== undefined) {
        renameSync(newer, `${this.#path}.${older}`);
      }
    }
  }
}

/** The files of a session's log, oldest first; empty when nothing of it ever ran. */
export async function runtimeLogFiles(home: string): Promise<readonly string[]> {
  const directory = directoryOf(home);
  const names = await readdir(directory).catch(() => []);
  return names
    .filter((each) => each === name || each.startsWith(`${name}.`))
    .toSorted((one, two) => two.localeCompare(one, "en", { numeric: true }))
    .map((each) => join(directory, each));
}

function directoryOf(home: string): string {
  return join(home, "worker", "logs");
}
