import * as z from "zod";

/** What the embedded sandbox and its worker thread say to one another. */
export const mounts = z.array(z.object({ host: z.string(), inside: z.string() }));

export const embeddedRequest = z.object({
  /** In a shell of its own, with nothing of the session's. */
  alone: z.boolean(),
  command: z.string(),
  cwd: z.string(),
  env: z.record(z.string(), z.string()),
});
export type EmbeddedRequest = z.infer<typeof embeddedRequest>;

export const embeddedReply = z.object({
  exitCode: z.number(),
  stdout: z.instanceof(Uint8Array),
  stderr: z.instanceof(Uint8Array),
  cwd: z.string(),
  env: z.record(z.string(), z.string()),
});
export type EmbeddedReply = z.infer<typeof embeddedReply>;
