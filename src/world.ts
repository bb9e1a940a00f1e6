import { hash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { World } from "./core/ports.ts";
import { thisBoot } from "./durable/owner.ts";

const bootId = thisBoot();

/** The clock and chance of this machine. */
export const world: World = {
  now: () => Date.now(),
  boot: () => {
    const ms = msSinceBoot();
    return ms === null || bootId === "?" ? null : { id: bootId, ms };
  },
  newId: () => randomUUID().replaceAll("-", "").slice(0, 12),
  digest: (text) => hash("sha256", text),
  sleep: async (ms, signal) => delay(ms, undefined, { signal }),
};

/** proc(5): seconds that the machine is up, also those in which it was suspended. */
function msSinceBoot(): number | null {
  try {
    const [seconds = ""] = readFileSync("/proc/uptime", "utf8").split(" ");
    return Math.round(Number(seconds) * 1000);
  } catch {
    return null;
  }
}
