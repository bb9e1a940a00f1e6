import type { Container } from "dockerode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { SandboxUsage } from "../core/ports.ts";

/** What of an answer counts. A container that does not run has no numbers, not zeros. */
const stats = z.object({
  memory_stats: z.object({
    usage: z.number(),
    stats: z.record(z.string(), z.unknown()).default({}),
  }),
  cpu_stats: z.object({ cpu_usage: z.object({ total_usage: z.number() }) }),
});
const nanosecondsInOneMs = 1_000_000;

/** What a container uses, as the engine counts it once. Throws `sandbox.lost` when it does not run. */
export async function dockerUsage(container: Container): Promise<SandboxUsage> {
  let answer: unknown;
  try {
    answer = await container.stats({ stream: false, "one-shot": true });
  } catch (error) {
    throw gone(error);
  }
  const counted = stats.safeParse(answer);
  if (!counted.success) throw gone(counted.error);
  const { memory_stats: memory, cpu_stats: cpu } = counted.data;
  // Pages of files that the kernel takes back when it needs them are nobody's use: cgroup 2, then 1.
  const cache = memory.stats["inactive_file"] ?? memory.stats["total_inactive_file"];
  return {
    memoryBytes: Math.max(0, memory.usage - (typeof cache === "number" ? cache : 0)),
    cpuMs: Math.round(cpu.cpu_usage.total_usage / nanosecondsInOneMs),
  };
}

function gone(cause: unknown): CairnError {
  return new CairnError(
    "sandbox.lost",
    "The container ended or its engine stopped. Resume the session to go on in a new one.",
    { cause },
  );
}
