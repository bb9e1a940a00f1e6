import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { EmbeddedDriver } from "../../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../../src/durable/owner.ts";

export const storeName = "sessions.db";
export const storeKey = new Uint8Array(32).fill(7);

/** No process has this number, so that an owner with it counts as dead. */
export const nobody = 2 ** 22 + 1;

/** The store of these tests in a directory; `built` is where the bundled worker lies. */
export function openStore(
  built: string,
  directory: string,
  { pid = process.pid, ...options }: { readonly pid?: number; readonly leaseMs?: number } = {},
): EmbeddedDriver {
  return new EmbeddedDriver({
    worker: pathToFileURL(join(built, "storeWorker.mjs")),
    path: join(directory, storeName),
    key: storeKey,
    owner: thisOwner(pid),
    ...options,
  });
}
