import type Docker from "dockerode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import { answerOf, statusOf } from "./dockerEngine.ts";
import type { DockerSandboxOptions } from "./dockerSandboxOptions.ts";
import { buildCommand } from "./proxyContainer.ts";

/** What an engine is, as far as its containers differ. */
export interface EngineKind {
  /** Answers as Docker does, and says less about what it made. */
  readonly podman: boolean;
  /** It runs on this machine; one in a machine of its own shows files of this one, and no sockets. */
  readonly sharesSockets: boolean;
}

/** How what leaves a container gets to the session's proxy. */
export type DockerWay =
  | { readonly kind: "none"; /** Null where none is wanted. */ readonly why: string | null }
  | { readonly kind: "socket" }
  | { readonly kind: "network"; readonly imageId: string };

const version = z.object({
  Platform: z.object({ Name: z.string() }).optional(),
  Components: z.array(z.object({ Name: z.string() })),
});

/** Throws `sandbox.unavailable`. */
export async function engineKind(
  docker: Docker,
  { socketPath }: Pick<DockerSandboxOptions, "socketPath">,
): Promise<EngineKind> {
  const { Platform, Components } = version.parse(await answerOf(docker.version(), noWord));
  const address = process.env["DOCKER_HOST"] ?? "";
  const local = socketPath !== null || address === "" || address.startsWith("unix:");
  const desktop = /desktop/i.test(Platform?.Name ?? "");
  return {
    podman: Components.some(({ Name }) => Name.startsWith("Podman")),
    sharesSockets: process.platform === "linux" && local && !desktop,
  };
}

/** Throws what keeps a session that needs a way out from it: `sandbox.imageMissing`, `proxy.unavailable`. */
export async function dockerWay(
  docker: Docker,
  { egress, proxy }: Pick<DockerSandboxOptions, "egress" | "proxy">,
  { podman, sharesSockets }: EngineKind,
): Promise<DockerWay> {
  if (egress === null && !proxy.isNeeded) return { kind: "none", why: null };
  if (sharesSockets) return { kind: "socket" };
  if (podman) return without(proxy.isNeeded, "proxy.unavailable", podmansNetworks);
  const image = await answerOf(
    docker
      .getImage(proxy.name)
      .inspect()
      .catch((error: unknown) => {
        if (statusOf(error) === 404) return null;
        throw error;
      }),
    noWord,
  );
  if (image !== null) return { kind: "network", imageId: image.Id };
  const missing = `The image ${proxy.name} is not on this engine, and nothing can leave the sandbox without it. Build it with: ${buildCommand(proxy)}`;
  return without(proxy.isNeeded, "sandbox.imageMissing", missing);
}

const podmansNetworks =
  "Nothing can leave this sandbox: Podman runs in a machine of its own, and its networks lead to that machine. Use Docker there, or --sandbox bubblewrap on Linux.";

function without(
  isNeeded: boolean,
  code: "proxy.unavailable" | "sandbox.imageMissing",
  why: string,
): DockerWay {
  if (isNeeded) throw new CairnError(code, why);
  return { kind: "none", why };
}

function noWord(cause?: unknown): CairnError {
  return new CairnError(
    "sandbox.unavailable",
    "The container engine does not say what it is. Start the session again.",
    { cause },
  );
}
