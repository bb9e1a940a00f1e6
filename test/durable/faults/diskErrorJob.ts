import * as z from "zod";

/** One run of an act of the script on a failing disk. */
export const diskErrorJob = z.object({
  name: z.string(),
  act: z.union([z.literal(1), z.literal(2)]),
  fault: z.enum(["ENOSPC", "EIO", "EROFS", "EMFILE", "shortWrite"]),
  /** By operation, the number of its call that is hit first, from one. */
  hits: z.record(z.string(), z.number()),
  /** Whether the cause stays until it is taken away, or passes by itself. */
  stays: z.boolean(),
  /** The store stays where it is. */
  keep: z.boolean(),
});
export type DiskErrorJob = z.infer<typeof diskErrorJob>;

export const diskErrorOutcome = z.object({
  job: diskErrorJob,
  /** By operation, the calls that it made on its first attempt. */
  calls: z.record(z.string(), z.array(z.string())),
  /** What was refused, in order, as `operation: code`. */
  refused: z.array(z.string()),
  /** What must not be, each with the operation and the call that was hit. Empty when all is well. */
  problems: z.array(z.string()),
});
export type DiskErrorOutcome = z.infer<typeof diskErrorOutcome>;
