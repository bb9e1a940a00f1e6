import { lstatSync, type Stats } from "node:fs";
import { sep } from "node:path";
import type { HeldDirectory } from "./heldDirectory.ts";

const quietly = { throwIfNoEntry: false } as const;

/** A path of the system has at most 4,096 bytes, and a character up to three of them. */
const longest = 1000;

function within(names: string): string | null {
  return names.length > longest ? null : names;
}

/**
 * A directory that is looked at, and opened only when a look is not enough: most directories of a
 * large tree never are.
 */
export class Reach {
  readonly #open: () => HeldDirectory;
  readonly #names: string | null;
  #held: HeldDirectory | null = null;

  private constructor(names: string | null, open: () => HeldDirectory) {
    this.#names = names;
    this.#open = open;
  }

  /** One that is open already; whoever opened it closes it. */
  static of(held: HeldDirectory): Reach {
    return new Reach(within(held.path), () => held);
  }

  /** Reaches into a directory of this one while `work` runs. Never follows a link once it opens. */
  async into<T>(name: string, work: (inner: Reach) => Promise<T>): Promise<T> {
    const names = this.#names === null ? null : within(`${this.#names}${sep}${name}`);
    const inner = new Reach(names, () => this.held.open(name));
    try {
      return await work(inner);
    } finally {
      inner.#held?.close();
    }
  }

  get held(): HeldDirectory {
    this.#held ??= this.#open();
    return this.#held;
  }

  /**
   * What the names that lead here show now: half the time of a look through the handle, but it may
   * be of something that was swapped in. Good for asking whether to look closer, which then goes
   * through the handle.
   */
  glance(name: string): Stats | null {
    if (this.#names === null) return this.held.stat(name);
    return lstatSync(`${this.#names}${sep}${name}`, quietly) ?? null;
  }
}
