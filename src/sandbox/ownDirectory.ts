import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Makes a directory of this process's own among a session's, and removes those of a kind that
 * processes left which are gone.
 */
export async function ownDirectory(state: string, kind: string): Promise<string> {
  await removeOfTheDead(state, kind);
  return mkdtemp(join(state, `${kind}-${process.pid}-`));
}

/** A host that was killed leaves its directories; what they were for is gone already. */
export async function removeOfTheDead(state: string, kind: string): Promise<void> {
  const name = new RegExp(`^${kind}-(\\d+)-`, "u");
  for (const entry of await readdir(state)) {
    const [, pid] = name.exec(entry) ?? [];
    if (pid === undefined || isAlive(Number(pid))) continue;
    await rm(join(state, entry), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's process may not be signalled, but it is there.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
