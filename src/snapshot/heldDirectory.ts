import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { basename, sep } from "node:path";
import { CairnError } from "../core/errors.ts";
import { errorCode } from "./errorCode.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

function isText(name: Buffer): boolean {
  return Buffer.from(name.toString()).equals(name);
}

/** What of a name could leave the directory: `\` and `:` only where the system gives them meaning. */
const foreign = sep === "\\" ? /[/\\:\0]/ : /[/\0]/;

/**
 * A directory held open, so that what happens in it happens in this very directory even when
 * somebody swaps its name for a link meanwhile. On Linux every call goes through the open handle
 * (`/proc/self/fd`, the `openat` that Node lacks). Elsewhere the path is checked to still lead to
 * the held directory before each use, which leaves a moment open: the worker is frozen then.
 */
export class HeldDirectory {
  readonly #fd: number;
  readonly #path: string | Buffer;

  /** Opens a directory; the caller closes it. Of its path only the last name is checked. */
  constructor(path: string | Buffer) {
    try {
      this.#fd = openSync(
        path,
        constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      );
    } catch (error) {
      throw swapped(error, path);
    }
    this.#path = path;
  }

  /** As it was opened; what it leads to may be another one by now. */
  get path(): string {
    return this.#path.toString();
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Opens a directory in this one for as long as `work` runs. Never follows a link. */
  async enter<T>(name: string | Buffer, work: (child: HeldDirectory) => Promise<T>): Promise<T> {
    const child = this.open(name);
    try {
      return await work(child);
    } finally {
      child.close();
    }
  }

  /** The same for as long as the caller wants, who closes it. */
  open(name: string | Buffer): HeldDirectory {
    return new HeldDirectory(this.at(name));
  }

  /** What the system says of the directory itself. */
  self(): Stats {
    return fstatSync(this.#fd);
  }

  /** Where `name` in this directory is found; good until the next call that waits. */
  at(name: string | Buffer): Buffer {
    const shown = name.toString();
    if (["", ".", ".."].includes(shown) || foreign.test(shown)) {
      throw new CairnError(
        "snapshot.unsafe",
        `${JSON.stringify(shown)} cannot be the name of a file here. Rename it in the session and try again.`,
      );
    }
    return Buffer.concat([this.#self(), Buffer.from(sep), Buffer.from(name)]);
  }

  /** Names in it; `broken` are those that are no valid UTF-8, as the system has them. */
  list(): { readonly names: readonly string[]; readonly broken: readonly Buffer[] } {
    const names = readdirSync(this.#self());
    // Asking for bytes costs half as much again, so it is done only where text shows a need.
    if (!names.some((name) => name.includes("\ufffd"))) return { names, broken: [] };
    const raw = readdirSync(this.#self(), { encoding: "buffer" });
    return {
      names: raw.filter(isText).map(String),
      broken: raw.filter((name) => !isText(name)),
    };
  }

  /** Of the name itself, never of what a link points to. Null when there is none. */
  stat(name: string | Buffer): Stats | null {
    return lstatSync(this.at(name), { throwIfNoEntry: false }) ?? null;
  }

  link(name: string): Buffer {
    return readlinkSync(this.at(name), { encoding: "buffer" });
  }

  /**
   * Bytes of the regular file that `seen` was taken of, no more than it had then. Throws `snapshot.unsafe` when the name
   * stands for anything else by now; a pipe or a device is never waited for.
   */
  read(name: string, seen: Stats): Uint8Array {
    let fd: number;
    try {
      fd = openSync(
        this.at(name),
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      );
    } catch (error) {
      throw swapped(error, name);
    }
    try {
      const now = fstatSync(fd);
      if (!now.isFile() || now.ino !== seen.ino || now.dev !== seen.dev) throw swapped(null, name);
      return readUpTo(fd, seen.size);
    } finally {
      closeSync(fd);
    }
  }

  /** Makes a directory in this one, unless something has the name already. True when it did. */
  make(name: string): boolean {
    try {
      mkdirSync(this.at(name), { mode: 0o755 });
      return true;
    } catch (error) {
      if (errorCode(error) === "EEXIST") return false;
      throw error;
    }
  }

  own(owner: Owner): void {
    fchownSync(this.#fd, owner.uid, owner.gid);
  }

  /** Lets its owner change what is in it: tools leave read-only directories behind. */
  makeWritable(): void {
    const mode = fstatSync(this.#fd).mode & 0o777;
    if ((mode & 0o700) !== 0o700) fchmodSync(this.#fd, mode | 0o700);
  }

  /** Resolves what was renamed or removed in it onto the disk, where the system can. */
  flush(): void {
    if (sep === "/") fsyncSync(this.#fd);
  }

  #self(): Buffer {
    if (process.platform === "linux") return Buffer.from(`/proc/self/fd/${this.#fd}`);
    const held = fstatSync(this.#fd, { bigint: true });
    const named = lstatSync(this.#path, { bigint: true, throwIfNoEntry: false });
    if (named?.dev !== held.dev || named.ino !== held.ino) throw swapped(null, this.#path);
    return Buffer.from(this.#path);
  }
}

function readUpTo(fd: number, size: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const read = readSync(fd, bytes, length, size - length, null);
    if (read === 0) break;
    length += read;
  }
  return bytes.subarray(0, length);
}

function swapped(error: unknown, path: string | Buffer): unknown {
  const code = errorCode(error);
  if (error !== null && code !== "ELOOP" && code !== "ENOTDIR") return error;
  return new CairnError(
    "snapshot.unsafe",
    `${JSON.stringify(basename(path.toString()))} is a link, or was swapped while it was used; nothing behind it was touched. Stop what changes the folder and try again.`,
    { cause: error, retryable: true },
  );
}
