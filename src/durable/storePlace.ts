import { createHash, randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CairnError } from "../core/errors.ts";

export interface StorePlace {
  readonly path: string;
  /** One sentence when the store is not in the workspace folder, else null. */
  readonly notice: string | null;
}

const file = "sessions.db";

/** File systems on which SQLite's locks and syncs cannot be relied on, by statfs(2) magic number. */
const networkFileSystems = new Set([
  0x6969, 0xff534d42, 0xfe534d42, 0x517b, 0x01021997, 0x65735546,
]);

/** What Cairn keeps outside workspaces: keys, session trees, logs. Owner only. */
export function stateRoot(environment: NodeJS.ProcessEnv): string {
  const named = environment["CAIRN_HOME"];
  if (named !== undefined && named !== "") return named;
  const state = environment["XDG_STATE_HOME"];
  const base = state === undefined || state === "" ? join(homedir(), ".local", "state") : state;
  return join(base, "cairn");
}

/**
 * Where a workspace's records lie: `.cairn/` inside it, or outside where the folder is read-only,
 * on a network file system, or came with links in their place. Makes the directory, with a `.gitignore` of everything.
 */
export function placeStore(workspace: string, root: string): StorePlace {
  const inside = join(workspace, ".cairn");
  const reason = unfit(workspace, inside);
  if (reason === null) return { path: join(inside, file), notice: null };
  const name = createHash("sha256").update(realpathSync(workspace)).digest("hex").slice(0, 16);
  const outside = join(root, "stores", name);
  mkdirSync(outside, { recursive: true, mode: 0o700 });
  return {
    path: join(outside, file),
    notice: `${reason}, so sessions are kept in ${outside}.`,
  };
}

/** The key that signs records: made once, readable by its owner only, never in a workspace. */
export function storeKey(root: string): Uint8Array {
  const path = join(root, "store.key");
  mkdirSync(root, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(path, randomBytes(32), { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) {
      throw new CairnError("store.unwritable", `No key can be kept in ${root}: set CAIRN_HOME.`, {
        cause: error,
      });
    }
  }
  return readFileSync(path);
}

/** Why records cannot lie inside the workspace, as the beginning of a sentence; null when they can. */
function unfit(workspace: string, inside: string): string | null {
  try {
    if (networkFileSystems.has(statfsSync(workspace).type)) {
      return "The folder is on a network file system";
    }
    if (holdsLinks(inside)) return "The folder's .cairn is, or holds, a link";
    mkdirSync(inside, { recursive: true, mode: 0o700 });
    accessSync(inside, constants.W_OK);
    makeIgnored(inside);
    return null;
  } catch {
    return "The folder is read-only";
  }
}

/** A workspace may come from somebody else: nothing is written through what it put in the way. */
function holdsLinks(inside: string): boolean {
  const found = lstatSync(inside, { throwIfNoEntry: false });
  if (found === undefined) return false;
  if (!found.isDirectory()) return true;
  const ours = [".gitignore", file, `${file}-wal`, `${file}-shm`, `${file}-journal`];
  return ours.some((name) => {
    const stat = lstatSync(join(inside, name), { throwIfNoEntry: false });
    return stat !== undefined && (!stat.isFile() || stat.nlink > 1);
  });
}

function makeIgnored(inside: string): void {
  try {
    writeFileSync(join(inside, ".gitignore"), "*\n", { flag: "wx" });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}
