import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  openSync,
  symlinkSync,
  writeSync,
  type Stats,
} from "node:fs";
import type { HeldDirectory, Owner } from "./heldDirectory.ts";
import type { FileEntry, Leaf } from "./treeObject.ts";

const onlyNew = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Makes files in a session's copy, where nothing of their name is. */
export class TreeCopy {
  readonly #directory: HeldDirectory;
  readonly #owner: Owner | null;

  constructor(directory: HeldDirectory, owner: Owner | null) {
    this.#directory = directory;
    this.#owner = owner;
  }

  /** Makes a folder, or enters the one that is there. */
  async folder<T>(name: string, work: (inner: TreeCopy) => Promise<T>): Promise<T> {
    const made = this.#directory.make(name);
    return this.#directory.enter(name, async (child) => {
      if (made && this.#owner !== null) child.own(this.#owner);
      return work(new TreeCopy(child, this.#owner));
    });
  }

  /** What the system says of the folder itself. */
  stat(): Stats {
    return this.#directory.self();
  }

  /** Makes a file of these bytes, or a link; returns what the system says of it afterwards. */
  leaf(entry: Leaf, bytes: Uint8Array | null): Stats {
    if (entry.mode !== "link") return this.#file(entry, bytes ?? new Uint8Array());
    const path = this.#directory.at(entry.name);
    symlinkSync(entry.target, path);
    if (this.#owner !== null) lchownSync(path, this.#owner.uid, this.#owner.gid);
    const stat = this.#directory.stat(entry.name);
    if (stat === null) throw new Error(`${entry.name} is gone as soon as it was made`);
    return stat;
  }

  /** No name in between: what a crash cuts off here is made anew before anything is run. */
  #file({ name, mode }: FileEntry, bytes: Uint8Array): Stats {
    const bits = mode === "exec" ? 0o755 : 0o644;
    const fd = openSync(this.#directory.at(name), onlyNew, bits);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      if (this.#owner !== null) fchownSync(fd, this.#owner.uid, this.#owner.gid);
      const stat = fstatSync(fd);
      if ((stat.mode & 0o777) === bits) return stat;
      fchmodSync(fd, bits);
      return fstatSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}
