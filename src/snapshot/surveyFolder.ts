import type { Survey } from "../core/ports.ts";
import type { LeftOut } from "../core/records.ts";
import { errorCode } from "./errorCode.ts";
import { ours } from "./excludes.ts";
import { pacer } from "./pacer.ts";
import type { Reach } from "./reach.ts";
import { leavesOut, type ReadRules } from "./readTree.ts";

/** What a copy of the folder would have and leave out, by a look at names and sizes only. */
export async function surveyFolder(folder: Reach, rules: ReadRules): Promise<Survey> {
  const leftOut: LeftOut[] = [];
  const pace = pacer();
  let [files, bytes] = [0, 0];
  const look = async (directory: Reach, prefix: string, depth: number): Promise<void> => {
    for (const name of directory.held.list().names) {
      const path = `${prefix}${name}`;
      const stat = directory.glance(name);
      if (stat === null) continue;
      const reason = leavesOut(rules, { path, stat, depth, bytes });
      if (path === ours) continue;
      if (reason !== null) leftOut.push({ path, reason });
      else if (stat.isDirectory()) await enter(directory, name, { path, depth });
      else if (stat.isFile()) [files, bytes] = [files + 1, bytes + stat.size];
      const rest = pace();
      if (rest !== null) await rest;
    }
  };
  const enter = async (
    directory: Reach,
    name: string,
    { path, depth }: { readonly path: string; readonly depth: number },
  ): Promise<void> => {
    try {
      await directory.into(name, async (inner) => look(inner, `${path}/`, depth + 1));
    } catch (error) {
      if (errorCode(error) !== "EACCES") throw error;
      leftOut.push({ path, reason: "it cannot be read" });
    }
  };
  await look(folder, "", 0);
  return { files, bytes, leftOut };
}
