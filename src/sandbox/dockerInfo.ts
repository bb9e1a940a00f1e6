import { createHash } from "node:crypto";
import type Docker from "dockerode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { SandboxInfo } from "../core/sandboxInfo.ts";
import { answerOf, connectEngine } from "./dockerEngine.ts";
import type { DockerSandboxOptions } from "./dockerSandboxOptions.ts";

const engineInfo = z.object({ Runtimes: z.record(z.string(), z.unknown()).default({}) });

/** What would run. A runtime or GPUs of one's own make it something else than the image alone. */
export function infoOf(
  { image, runtime, gpus }: DockerSandboxOptions,
  digest: string,
): SandboxInfo {
  if (runtime === null && gpus === null) return { backend: "docker", image, digest, limits: "" };
  const all = JSON.stringify([digest, runtime, gpus]);
  return {
    backend: "docker",
    image,
    digest: `sha256:${createHash("sha256").update(all).digest("hex")}`,
    limits: "",
    ...(runtime === null ? {} : { runtime }),
    ...(gpus === null ? {} : { gpus }),
  };
}

/** Throws `sandbox.unavailable` with what the engine has instead. */
export async function requireRuntime(docker: Docker, runtime: string): Promise<void> {
  const runtimes = await runtimesOf(docker);
  if (runtimes.includes(runtime)) return;
  throw new CairnError(
    "sandbox.unavailable",
    `The container engine has no runtime "${runtime}". It has: ${runtimes.join(", ")}. Choose one of them in cairn.sandbox.runtime or with --runtime, or leave it empty.`,
  );
}

/** Names of the runtimes that an engine has, in order. Throws `sandbox.unavailable`. */
export async function engineRuntimes(socketPath: string | null): Promise<readonly string[]> {
  return runtimesOf(await connectEngine(socketPath));
}

async function runtimesOf(docker: Docker): Promise<readonly string[]> {
  const answer = await answerOf(
    docker.info(),
    (cause) =>
      new CairnError("sandbox.unavailable", "The container engine does not say what it has.", {
        cause,
      }),
  );
  return Object.keys(engineInfo.parse(answer).Runtimes).toSorted();
}
