import * as z from "zod";

/** What a test gives to its proxy beside the start line. */
export const given = z.object({
  /** By name: what each lookup of it answers, by turns. */
  names: z.record(z.string(), z.array(z.array(z.string()))),
  limits: z.object({
    connections: z.exactOptional(z.number()),
    connectMs: z.exactOptional(z.number()),
    idleMs: z.exactOptional(z.number()),
    headersMs: z.exactOptional(z.number()),
    totalMs: z.exactOptional(z.number()),
    unfoldedBytes: z.exactOptional(z.number()),
  }),
});
export type Given = z.infer<typeof given>;
