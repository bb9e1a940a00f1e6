import { hash, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { World } from "./core/ports.ts";

/** The clock and chance of this machine. */
export const world: World = {
  now: () => Date.now(),
  newId: () => randomUUID().replaceAll("-", "").slice(0, 12),
  digest: (text) => hash("sha256", text),
  sleep: async (ms, signal) => delay(ms, undefined, { signal }),
};
