import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CairnError } from "../core/errors.ts";

/** Replaces a file by a new one of the owner's alone: all of it or nothing is there at any time. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    const within = await open(folder, "r");
    try {
      await within.sync();
    } finally {
      await within.close();
    }
  } catch (error) {
    await rm(temporary, { force: true });
    throw new CairnError("rules.unwritable", `${path} cannot be written: look at its folder.`, {
      cause: error,
    });
  }
}

const patienceMs = 5000;
/** Nobody needs it for so long: who made it is gone. */
const staleMs = 10_000;

/** One process at a time reads, changes and writes the files beside the lock. Throws `rules.unwritable`. */
export async function locked<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  for (let waited = 0; ; waited += 20) {
    try {
      await (await open(path, "wx", 0o600)).close();
      break;
    } catch (error) {
      const taken = error instanceof Error && "code" in error && error.code === "EEXIST";
      if (!taken || waited > patienceMs) {
        throw new CairnError(
          "rules.unwritable",
          `${path} is held by another process, or cannot be made.`,
          {
            cause: error,
          },
        );
      }
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
      if (Date.now() - mtimeMs > staleMs) await rm(path, { force: true });
      await sleep(20);
    }
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}
