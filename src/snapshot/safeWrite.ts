import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { createHash, randomBytes } from "node:crypto";
import { errorCode } from "./errorCode.ts";
import type { HeldDirectory, Owner } from "./heldDirectory.ts";

/** Whether a crash in the middle of a write or a removal left this name. Such names are nobody's. */
export function isRemainder(name: string): boolean {
  return /^\.cairn-[0-9a-f]{16}\.(tmp|gone)$/.test(name);
}

export interface WriteOptions {
  readonly mode: number;
  readonly owner: Owner | null;
  /** Whether the bytes must be on disk before the file takes its name. */
  readonly flush: boolean;
}

/**
 * Gives `name` new bytes in one step: nobody sees half a file, and whatever had the name (a link,
 * a file with other names) is replaced, never written to. The temporary name is the same on every
 * try, so that a repeat after a crash takes the remains away.
 */
export function writeFile(
  directory: HeldDirectory,
  name: string,
  bytes: Uint8Array,
  options: WriteOptions,
): void {
  const suffix = createHash("sha256").update(name).update(bytes).digest("hex").slice(0, 16);
  const temporary = directory.at(`.cairn-${suffix}.tmp`);
  const fd = openNew(temporary);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    fchmodSync(fd, options.mode);
    if (options.owner !== null) fchownSync(fd, options.owner.uid, options.owner.gid);
    if (options.flush) fsyncSync(fd);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, directory.at(name));
  if (options.flush) directory.flush();
}

/** Opens a file that nobody else has open yet; one of this name is what a crash left behind. */
function openNew(path: Buffer): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    unlinkSync(path);
    return openSync(path, flags, 0o600);
  }
}

/**
 * Removes a name and all that lies under it, however deep somebody nested it: sub-folders are
 * moved up into `root` one by one, so that neither the stack nor the open handles grow.
 */
export async function removeEntry(
  root: HeldDirectory,
  directory: HeldDirectory,
  name: string | Buffer,
): Promise<void> {
  if (unlinked(directory, name)) return;
  const moved = [await moveUp(root, directory, name)];
  for (let next = moved.pop(); next !== undefined; next = moved.pop()) {
    await root.enter(next, async (child) => {
      child.makeWritable();
      const { names, broken } = child.list();
      for (const inner of [...names, ...broken]) {
        if (!unlinked(child, inner)) moved.push(await moveUp(root, child, inner));
      }
    });
    rmdirSync(root.at(next));
  }
}

async function moveUp(
  root: HeldDirectory,
  directory: HeldDirectory,
  name: string | Buffer,
): Promise<string> {
  // Moving a folder changes its `..`, for which it must be writable itself.
  await directory.enter(name, async (folder) => folder.makeWritable());
  const target = `.cairn-${randomBytes(8).toString("hex")}.gone`;
  renameSync(directory.at(name), root.at(target));
  return target;
}

/** False when it is a directory. A name that is gone already counts as removed. */
function unlinked(directory: HeldDirectory, name: string | Buffer): boolean {
  const stat = directory.stat(name);
  if (stat?.isDirectory() === true) return false;
  if (stat !== null) unlinkSync(directory.at(name));
  return true;
}
