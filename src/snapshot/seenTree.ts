import type { Stats } from "node:fs";
import type { Entry, Leaf } from "./treeObject.ts";

/**
 * A file that changed this shortly before it was read may change again without a new time stamp
 * (git calls it racy), so it is read once more. Where stamps have parts of a second they are at
 * most a tick of the kernel apart; elsewhere up to 2 s.
 */
const racyMs = { fine: 100, coarse: 2000 };

/** When what was seen was read; a restore says it once nothing of it will change any more. */
export interface Reading {
  readAtMs: number;
}

/** All that the file system said of something. */
export class SeenStat {
  readonly #reading: Reading;
  readonly #size: number;
  readonly #mtimeMs: number;
  readonly #ctimeMs: number;
  readonly #ino: number;
  readonly #dev: number;
  readonly #mode: number;

  /** `stat` was taken after the reading began, and before what it is of was read. */
  constructor(stat: Stats, reading: Reading) {
    this.#reading = reading;
    this.#size = stat.size;
    this.#mtimeMs = stat.mtimeMs;
    this.#ctimeMs = stat.ctimeMs;
    this.#ino = stat.ino;
    this.#dev = stat.dev;
    this.#mode = stat.mode;
  }

  /** Whether it is the same for sure, so that it need not be read. */
  isStill(stat: Stats): boolean {
    const racy = Number.isInteger(this.#ctimeMs / 1000) ? racyMs.coarse : racyMs.fine;
    return (
      this.#ctimeMs === stat.ctimeMs &&
      this.#size === stat.size &&
      this.#mtimeMs === stat.mtimeMs &&
      this.#ino === stat.ino &&
      this.#dev === stat.dev &&
      this.#mode === stat.mode &&
      this.#reading.readAtMs - this.#ctimeMs >= racy
    );
  }
}

/** A file or a link whose content is stored. */
export class SeenLeaf extends SeenStat {
  readonly entry: Leaf;

  constructor(entry: Leaf, stat: Stats, reading: Reading) {
    super(stat, reading);
    this.entry = entry;
  }
}

/** A folder whose object is stored, with what was seen in it. */
export interface SeenFolder {
  readonly digest: string;
  readonly entries: readonly Entry[];
  readonly leaves: ReadonlyMap<string, SeenLeaf>;
  readonly folders: ReadonlyMap<string, SeenFolder>;
  /** As long as this is still so it has these names and no other; null where something was left out. */
  readonly listing: SeenStat | null;
}
