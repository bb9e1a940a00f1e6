import { hash } from "node:crypto";
import type { World } from "../../src/core/ports.ts";

/** Time that stands still unless slept, ids that count, real hashes. */
export function fakeWorld(): World {
  let now = 1_000_000;
  let ids = 0;
  return {
    now: () => now,
    boot: () => null,
    newId: () => `id${(ids += 1)}`,
    digest: (text) => hash("sha256", text),
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      now += ms;
    },
  };
}
