import * as z from "zod";

/** A folder's dev container as it was understood when the session was made. */
export const devContainer = z.object({
  /** The file, from the root of the folder. */
  file: z.string(),
  /** What is approved: the digest of the image, or one over all that it is built from. */
  identity: z.string(),
  /** What the image is built from; null for one that exists. */
  build: z.nullable(
    z.object({
      path: z.string(),
      dockerfile: z.string(),
      context: z.string(),
      files: z.number(),
      bytes: z.number(),
      args: z.record(z.string(), z.string()),
      target: z.nullable(z.string()),
    }),
  ),
  env: z.record(z.string(), z.string()),
  directory: z.string(),
  commands: z.array(z.object({ name: z.string(), command: z.string() })),
  /** What it asks for and does not get, a sentence each. */
  refused: z.array(z.string()),
  /** True when the same identity was approved for this folder before. */
  approved: z.boolean(),
});
export type DevContainer = z.infer<typeof devContainer>;

export const sandboxInfo = z.object({
  backend: z.enum(["docker", "bubblewrap", "embedded"]),
  /** Image reference for people, null where there is none. */
  image: z.nullable(z.string()),
  /** Digest of what runs: the image's, together with runtime and GPUs if there are any, or the version of the embedded shell. */
  digest: z.string(),
  /** The container runtime, where one was chosen. */
  runtime: z.exactOptional(z.string()),
  /** How many GPUs the container has, or `all`; absent for none. */
  gpus: z.exactOptional(z.union([z.literal("all"), z.int().positive()])),
  /** One sentence on what this backend cannot do; empty when there is nothing to say. */
  limits: z.string(),
  devContainer: z.exactOptional(devContainer),
});
export type SandboxInfo = z.infer<typeof sandboxInfo>;
