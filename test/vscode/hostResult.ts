import * as z from "zod";

/** One test that ran inside an extension host. */
export const hostResult = z.object({
  name: z.string(),
  outcome: z.enum(["passed", "failed", "skipped"]),
  ms: z.number(),
  /** The error of a failed test, the reason of a skipped one. */
  detail: z.string(),
});
export type HostResult = z.infer<typeof hostResult>;
