import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** Who drives a session: machine, process, and the process's start, since numbers are used again. */
export function thisOwner(pid: number): string {
  return `${hostname()}/${pid}/${startOf(pid) ?? "?"}`;
}

/** The machine's boot: process numbers and starts begin again with it. "?" where it has no name. */
export function thisBoot(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "?";
  }
}

/** As {@link isDead}, for an owner that was written down together with its boot. */
export function isGone({
  owner,
  boot,
}: {
  readonly owner: string;
  readonly boot: string;
}): boolean {
  const [host] = owner.split("/");
  return isDead(owner) || (host === hostname() && boot !== thisBoot());
}

/** True only when it is proven that the owner is gone; on another machine nothing is proven. */
export function isDead(owner: string): boolean {
  const [host, pid, start] = owner.split("/");
  if (host !== hostname()) return false;
  const now = startOf(Number(pid));
  if (now !== null) return start !== "?" && now !== start;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}

/** The start time in clock ticks since boot, field 22 of proc(5)'s stat; null where there is none. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}
