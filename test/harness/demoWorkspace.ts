import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { out, root } from "./root.ts";

/** A copy of the sample workspace under `out/`, made anew unless `keep` is set and it is there. */
export async function demoWorkspace(name: string, keep: boolean): Promise<string> {
  const folder = join(out, name);
  if (!keep) await rm(folder, { recursive: true, force: true });
  await cp(join(root, "media", "demo"), folder, { recursive: true, force: false });
  return folder;
}

if (import.meta.main) console.log(await demoWorkspace("demo", true));
