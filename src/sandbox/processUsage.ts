import { readFile } from "node:fs/promises";
import type { SandboxUsage } from "../core/ports.ts";

/** Of the clock that processes are counted by: the same for every Linux. */
const msInOneTick = 10;
const bytesInOneKib = 1024;

interface Counted extends SandboxUsage {
  readonly children: readonly number[];
}

/**
 * What a process of this machine and all that it started use together, those that have ended too.
 * Null when it is gone.
 */
export async function processUsage(pid: number): Promise<SandboxUsage | null> {
  const own = await counted(pid);
  if (own === null) return null;
  const below = await Promise.all(own.children.map(processUsage));
  const all = [own, ...below.filter((usage) => usage !== null)];
  return {
    memoryBytes: all.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
    cpuMs: all.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
  };
}

async function counted(pid: number): Promise<Counted | null> {
  try {
    const [stat, status, children] = await Promise.all(
      ["stat", "status", `task/${pid}/children`].map(async (name) =>
        readFile(`/proc/${pid}/${name}`, "utf8"),
      ),
    );
    // A program's name may hold anything; the numbers come after its closing bracket.
    const fields = (stat ?? "").slice((stat ?? "").lastIndexOf(")") + 2).split(" ");
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status ?? "")?.[1];
    return {
      memoryBytes: Number(kib ?? 0) * bytesInOneKib,
      cpuMs: ticks * msInOneTick,
      children: (children ?? "").trim().split(" ").filter(Boolean).map(Number),
    };
  } catch {
    return null;
  }
}
