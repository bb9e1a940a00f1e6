import { constants, lstatSync, type BigIntStats } from "node:fs";
import { lstat, open } from "node:fs/promises";

/** What lies at a path, as far as its text counts. */
export type Found =
  | { readonly kind: "absent" }
  /** Not the owner's word: who could have written it is not known. */
  | { readonly kind: "ignored"; readonly why: string }
  | { readonly kind: "unreadable"; readonly why: string }
  | { readonly kind: "text"; readonly text: string };

/** Who has to own a file so that it counts; `anybody` for one that can only tighten. */
export type Owner = "root" | "user" | "anybody";

const mostBytes = 64_000_000;

/**
 * Something that is another one as soon as the file was changed or replaced. Throws nothing. At
 * once, for it is looked at before each decision, and a turn through the thread pool costs more.
 */
export function stampOf(path: string): string {
  try {
    const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return found === undefined ? "ENOENT" : stampText(found);
  } catch (error) {
    return failureText(error);
  }
}

/** The same for a place that may hang, as a folder on a network does. */
export async function stampOfFar(path: string): Promise<string> {
  try {
    return stampText(await lstat(path, { bigint: true }));
  } catch (error) {
    return failureText(error);
  }
}

function stampText({ dev, ino, size, mtimeNs, ctimeNs, uid, mode }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs, uid, mode].join(":");
}

function failureText(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unreadable";
}

/** Reads a file that nobody else may have written, and follows no link. Throws nothing. */
export async function readOwn(path: string, owner: Owner): Promise<Found> {
  try {
    if ((await lstat(path)).isSymbolicLink()) return ignored("is a link, and is not followed");
    const handle = await open(
      path,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    try {
      const stat = await handle.stat();
      const why = stat.isFile() ? strangeness(stat, owner) : "is no file";
      if (why !== null) return ignored(why);
      if (stat.size > mostBytes) return { kind: "unreadable", why: "is larger than 64 MB" };
      return { kind: "text", text: await handle.readFile("utf8") };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "an error";
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "absent" };
    return { kind: "unreadable", why: `cannot be read (${code})` };
  }
}

function ignored(why: string): Found {
  return { kind: "ignored", why };
}

/** Why a file is not its owner's word; null when it is. */
function strangeness(
  { uid, mode }: { readonly uid: number; readonly mode: number },
  owner: Owner,
): string | null {
  const user = process.getuid?.();
  if (owner === "anybody" || user === undefined) return null;
  if (uid !== (owner === "root" ? 0 : user)) {
    return owner === "root" ? "does not belong to root" : "belongs to another user";
  }
  if ((mode & 0o022) !== 0) return "can be written by others than its owner";
  return null;
}
