import type { Random } from "./random.ts";

/** Thrown wherever a process is when it is killed. Nothing of ours may catch it and go on. */
export class Killed extends Error {
  override readonly name = "Killed";
}

interface File<Line> {
  readonly lines: Line[];
  /** How many lines a crash cannot take any more. */
  synced: number;
}

/**
 * A disk that forgets: lines that were written and not synced may be gone after the machine
 * crashes, from some line on. What was synced stays.
 */
export class SimDisk<Line> {
  readonly #files = new Map<string, File<Line>>();

  read(name: string): readonly Line[] {
    return this.#file(name).lines;
  }

  write(name: string, line: Line): void {
    this.#file(name).lines.push(line);
  }

  sync(name: string): void {
    const file = this.#file(name);
    file.synced = file.lines.length;
  }

  crash(random: Random): void {
    for (const file of this.#files.values()) {
      const unsynced = file.lines.length - file.synced;
      file.lines.length -= random.below(unsynced + 1);
      file.synced = file.lines.length;
    }
  }

  #file(name: string): File<Line> {
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    const file: File<Line> = { lines: [], synced: 0 };
    this.#files.set(name, file);
    return file;
  }
}
