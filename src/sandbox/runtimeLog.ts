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
  readonly #lines: { readonly at: number; readonly line: string }[] = [];
  /** Null before the first line. Another process that writes, too, is seen by the next one. */
  #size: number | null = null;

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

  /** On disk a moment later, out of the way of the command that it tells of. Never throws. */
  write(line: string): void {
    if (this.#lines.length === 0) setImmediate(() => this.flush());
    this.#lines.push({ at: Date.now(), line });
  }

  /** No session fails for want of a log. */
  flush(): void {
    const lines = this.#lines.splice(0).map(({ at, line }) => {
      // Set in, so that no text of a command looks like a line of ours.
      const text = this.#clean(line).replaceAll(/\r?\n|\r/gu, "\n    ");
      return `${new Date(at).toISOString()} ${text}\n`;
    });
    try {
      for (const line of lines) this.#append(Buffer.from(line));
    } catch {
      // The disk is full or the session was deleted meanwhile.
    }
  }

  #append(bytes: Buffer): void {
    if (this.#size === null) {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      this.#size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    }
    if (this.#size >= this.#limits.bytes) this.#turnOver();
    appendFileSync(this.#path, bytes, { mode: 0o600 });
    this.#size += bytes.length;
  }

  #turnOver(): void {
    for (let older = this.#limits.files - 1; older > 0; older -= 1) {
      const newer = older === 1 ? this.#path : `${this.#path}.${older - 1}`;
      if (statSync(newer, { throwIfNoEntry: false }) !== undefined) {
        renameSync(newer, `${this.#path}.${older}`);
      }
    }
    this.#size = 0;
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
