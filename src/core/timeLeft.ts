import type { World } from "./ports.ts";
import type { OpenWait } from "./replay.ts";

/** What tells how late it is. */
export type Clock = Pick<World, "now" | "boot">;

/**
 * Milliseconds until a wait's time is over, 0 or less when it is; null for one without a deadline.
 * As long as the machine runs that the wait was opened on, its own count since the boot says so,
 * sleep included, whatever is done to the clock. Else it is the clock on the wall; by that it is
 * never further away than its whole time.
 */
export function timeLeft(
  { at, deadlineMs, since }: Pick<OpenWait, "at" | "deadlineMs" | "since">,
  world: Clock,
): number | null {
  if (deadlineMs === undefined) return null;
  const boot = world.boot();
  if (since !== undefined && boot !== null && since.boot === boot.id) {
    return deadlineMs - (boot.ms - since.ms);
  }
  return Math.min(at + deadlineMs - world.now(), deadlineMs);
}
