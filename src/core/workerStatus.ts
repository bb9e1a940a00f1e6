import * as z from "zod";

/**
 * The life of a session's sandbox. `silent`: a command runs, and the place has not answered for a
 * while. `lost`: it never will again; what ran there is never run again by itself.
 */
export const workerState = z.enum([
  "down",
  "spawning",
  "checking",
  "registering",
  "ready",
  "busy",
  "silent",
  "stopping",
  "lost",
]);
export type WorkerState = z.infer<typeof workerState>;

/** What can be said of one session's sandbox from outside. */
export const workerStatus = z.object({
  session: z.string(),
  state: workerState,
  backend: z.string(),
  /** Null where there is none. */
  image: z.nullable(z.string()),
  /** What runs now, on one line. */
  task: z.nullable(z.object({ command: z.string(), startedAt: z.number() })),
  /** Null when nothing runs or the backend cannot tell. */
  memoryBytes: z.nullable(z.number()),
  cpuMs: z.nullable(z.number()),
  startedAt: z.nullable(z.number()),
  lastHeartbeat: z.nullable(z.number()),
  /** Versions of what was found inside, by name. */
  tools: z.record(z.string(), z.string()),
});
export type WorkerStatus = z.infer<typeof workerStatus>;

/** Whether a sandbox does what it should, as far as can be seen. */
export function isHealthy({ state }: Pick<WorkerStatus, "state">): boolean {
  return state !== "silent" && state !== "lost";
}
