import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { Log } from "../core/ports.ts";
import { connectEngine, removeContainer, removeNetwork, statusOf } from "./dockerEngine.ts";
import { ourLabel, readLabels, type Keeper } from "./containerLabels.ts";

/** A container may exist: which engine has it and whose it is. On disk before the container is. */
const mark = z.object({
  socketPath: z.nullable(z.string()),
  owner: z.string(),
  boot: z.string(),
});

export interface ReaperOptions {
  /** Cairn's own directory of marks, one a session. */
  readonly marks: string;
  readonly key: Uint8Array;
  /** Whether it is proven that a process is gone. */
  readonly isGone: (who: Pick<Keeper, "owner" | "boot">) => boolean;
  readonly log: Log;
}

/** Leaves word that a session has a container, so that a later process knows where to look. */
export async function markContainer(
  marks: string,
  session: string,
  { owner, boot, socketPath }: z.infer<typeof mark>,
): Promise<void> {
  await mkdir(marks, { recursive: true, mode: 0o700 });
  const text = JSON.stringify({ socketPath, owner, boot });
  await writeFile(join(marks, session), text, { mode: 0o600 });
}

export async function unmarkContainer(marks: string, session: string): Promise<void> {
  await rm(join(marks, session), { force: true });
}

/**
 * Removes what the engine still has of processes that are gone: containers, networks and volumes
 * with our label and seal, nothing else. Without marks of such processes it does not look, so that a
 * start costs nothing. Never throws; what could not be removed is for the next start.
 */
export async function reap(options: ReaperOptions): Promise<number> {
  const { marks, isGone, log } = options;
  let removed = 0;
  try {
    const orphans = (await readMarks(marks)).filter((each) => isGone(each));
    for (const socketPath of new Set(orphans.map((each) => each.socketPath))) {
      removed += await sweep(socketPath, options);
      const swept = orphans.filter((each) => each.socketPath === socketPath);
      await Promise.all(swept.map(async ({ session }) => unmarkContainer(marks, session)));
    }
  } catch (error) {
    log(`left for the next start: ${error instanceof Error ? error.message : String(error)}`);
  }
  return removed;
}

async function readMarks(marks: string) {
  const names = await readdir(marks).catch(() => []);
  const read = await Promise.all(
    names.map(async (session) => {
      const text = await readFile(join(marks, session), "utf8").catch(() => "null");
      const parsed = mark.safeParse(json(text));
      return parsed.success ? [{ session, ...parsed.data }] : [];
    }),
  );
  return read.flat();
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Everything of ours on one engine whose owner is gone. */
async function sweep(
  socketPath: string | null,
  { key, isGone, log }: ReaperOptions,
): Promise<number> {
  const docker = await connectEngine(socketPath);
  const filters = { label: [ourLabel] };
  const orphaned = (labels: Readonly<Record<string, string>> | null | undefined): boolean => {
    const kept = readLabels(labels, key);
    return kept !== null && isGone(kept);
  };
  const [containers, networks, { Volumes: volumes }] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
  ]);
  // What uses networks and volumes goes first.
  const found = [
    ...containers.map(({ Id, Labels }) => ({
      what: `container ${Id.slice(0, 12)}`,
      labels: Labels,
      remove: async () => removeContainer(docker.getContainer(Id)),
    })),
    ...networks.map(({ Id, Labels }) => ({
      what: `network ${Id.slice(0, 12)}`,
      labels: Labels,
      remove: async () => removeNetwork(docker.getNetwork(Id)),
    })),
    ...volumes.map(({ Name, Labels }) => ({
      what: `volume ${Name}`,
      labels: Labels,
      remove: async () => unlessGone(docker.getVolume(Name).remove()),
    })),
  ].filter(({ labels }) => orphaned(labels));
  for (const { what, remove } of found) {
    await remove();
    log(`removed ${what}, which a process that ended had left`);
  }
  return found.length;
}

async function unlessGone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
}
