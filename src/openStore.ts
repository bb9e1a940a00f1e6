import type { DurableDriver } from "./core/ports.ts";
import { EmbeddedDriver } from "./durable/embeddedDriver.ts";
import { placeStore, storeKey } from "./durable/storePlace.ts";

export interface StoreOptions {
  readonly workspace: string;
  /** Where the built worker files lie. */
  readonly dist: URL;
  /** Cairn's own directory outside workspaces. */
  readonly root: string;
  readonly owner: string;
}

/** The workspace's own store, and one sentence when it is not in the workspace folder. */
export function openStore({ workspace, dist, root, owner }: StoreOptions): {
  readonly driver: DurableDriver;
  readonly notice: string | null;
} {
  const key = storeKey(root);
  const { path, notice } = placeStore(workspace, root);
  const worker = new URL("storeWorker.cjs", dist);
  return { driver: new EmbeddedDriver({ path, key, owner, worker }), notice };
}
