import { Readable } from "node:stream";
import type Docker from "dockerode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import { dockerfileName } from "./buildContext.ts";

export interface ImageToBuild {
  readonly tag: string;
  readonly tar: Buffer;
  readonly args: Readonly<Record<string, string>>;
  readonly target: string | null;
}

const said = z.object({
  stream: z.exactOptional(z.string()),
  error: z.exactOptional(z.string()),
});

/**
 * Builds an image by the engine; resolves with its digest. What the Dockerfile runs has the
 * engine's own rules for builds, root and the network among them: only after an approval.
 * Throws `sandbox.devContainer` with the engine's reason.
 */
export async function buildImage(
  docker: Docker,
  { tag, tar, args, target }: ImageToBuild,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<string> {
  const options = {
    t: tag,
    dockerfile: dockerfileName,
    buildargs: { ...args },
    rm: true,
    forcerm: true,
    labels: { "cairn.devContainer": "1" },
    abortSignal: signal,
    ...(target === null ? {} : { target }),
  };
  log(`building ${tag}`);
  try {
    const answer = await docker.buildImage(Readable.from([tar]), options);
    let rest = "";
    for await (const chunk of answer) {
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) hear(line, log);
    }
    hear(rest, log);
    const { Id: id } = await docker.getImage(tag).inspect();
    log(`built ${tag}: ${id}`);
    return id;
  } catch (error) {
    signal.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    throw new CairnError(
      "sandbox.devContainer",
      `The image of the dev container could not be built: ${reason.replaceAll(/\s+/gu, " ").slice(0, 500)}. Mend the Dockerfile and start again, or turn it off with --dev-container off.`,
      { cause: error },
    );
  }
}

function hear(line: string, log: Log): void {
  if (line.trim() === "") return;
  const parsed = said.safeParse(JSON.parse(line));
  if (!parsed.success) return;
  const { stream, error } = parsed.data;
  if (error !== undefined) throw new Error(error);
  if (stream !== undefined && stream.trim() !== "") log(stream.trimEnd());
}
