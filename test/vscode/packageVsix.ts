import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../harness/command.ts";
import { out } from "../harness/root.ts";

/** Where `packageVsix` leaves the extension. */
export const vsixPath = join(out, "cairn.vsix");

/** Packs the last build. The same tree gives the same bytes. */
export async function packageVsix(): Promise<string> {
  await mkdir(out, { recursive: true });
  await mustRun(
    "vsce",
    ["package", "--no-dependencies", "--allow-missing-repository", "--out", vsixPath],
    // A fixed time stamp for every file of the archive, and a fixed order: 1980, as zip begins.
    { env: { ...process.env, SOURCE_DATE_EPOCH: "315619200" } },
  );
  return vsixPath;
}

if (import.meta.main) console.log(await packageVsix());
