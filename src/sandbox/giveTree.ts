import { lchown, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Makes everything under a path, itself included, a user's own. Never follows a link. */
export async function giveTree(path: string, uid: number, gid: number): Promise<void> {
  const entry = await lstat(path);
  if (entry.uid !== uid || entry.gid !== gid) await lchown(path, uid, gid);
  if (!entry.isDirectory()) return;
  for (const name of await readdir(path)) await giveTree(join(path, name), uid, gid);
}
