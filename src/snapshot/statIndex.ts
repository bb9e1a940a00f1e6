import type { BigIntStats } from "node:fs";

/**
 * A file that changed this shortly before it was read may change again without a new time stamp
 * (git calls it racy), so it is read once more. File systems in use stamp in 1 ns to 2 s steps.
 */
const racyMs = 2000n;

interface Known {
  readonly stat: BigIntStats;
  readonly readAtMs: bigint;
  readonly digest: string;
}

/** Digests by path, as long as nothing the file system says about the file has changed. */
export class StatIndex {
  readonly #known = new Map<string, Known>();
  /** Earlier than any stat that this index is told of. */
  readonly #madeAtMs = BigInt(Date.now());

  digest(path: string, stat: BigIntStats): string | null {
    const known = this.#known.get(path);
    if (known === undefined || known.readAtMs - known.stat.ctimeMs < racyMs) return null;
    const same =
      known.stat.size === stat.size &&
      known.stat.mtimeNs === stat.mtimeNs &&
      known.stat.ctimeNs === stat.ctimeNs &&
      known.stat.ino === stat.ino &&
      known.stat.dev === stat.dev;
    return same ? known.digest : null;
  }

  /** `stat` was taken after the index was made and before the file was read. */
  remember(path: string, stat: BigIntStats, digest: string): void {
    this.#known.set(path, { stat, readAtMs: this.#madeAtMs, digest });
  }

  /** Takes over what another index knows of the path. */
  carry(path: string, from: StatIndex): void {
    const known = from.#known.get(path);
    if (known !== undefined) this.#known.set(path, known);
  }
}
