import { constants } from "node:fs";
import { open, readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import {
  checkDistinct,
  checkPath,
  checkText,
  isHidden,
  maxFileBytes,
  maxFiles,
  unsafe,
  type SkillFile,
} from "./skillFiles.ts";

/** Reads a folder's plain text files. Throws `skills.unsafe` for links and for all that is not text. */
export async function readSkillFolder(directory: string): Promise<readonly SkillFile[]> {
  const root = await realpath(directory);
  const paths = await listFiles(root, "");
  checkDistinct(paths);
  const files: SkillFile[] = [];
  for (const path of paths) files.push(checkText(path, await readPlain(root, path)));
  return files;
}

async function listFiles(root: string, folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (isHidden(path)) continue;
    if (entry.isSymbolicLink()) throw unsafe(path, "it is a link");
    checkPath(path);
    if (entry.isDirectory()) found.push(...(await listFiles(root, path)));
    else if (entry.isFile()) found.push(path);
    else throw unsafe(path, "it is neither a file nor a folder");
    if (found.length > maxFiles) break;
  }
  return found;
}

/** The first `limit` bytes of a plain file. Throws `skills.unsafe` when a link leads to it. */
export async function readPlain(
  root: string,
  path: string,
  limit = maxFileBytes + 1,
): Promise<Uint8Array> {
  const full = join(root, ...path.split("/"));
  if ((await realpath(full)) !== full) throw unsafe(path, "it lies behind a link");
  const file = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw unsafe(path, "it is not a plain file");
    const bytes = Buffer.alloc(Math.min(stat.size, limit));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
