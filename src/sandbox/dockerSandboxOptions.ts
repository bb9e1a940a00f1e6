import { CairnError } from "../core/errors.ts";
import type { Egress, Log } from "../core/ports.ts";
import type { Keeper } from "./containerLabels.ts";
import type { Gpus } from "./policy.ts";
import type { ProxyImage } from "./proxyContainer.ts";

export interface DockerSandboxOptions {
  readonly session: string;
  /** The session's tree on the host; `/workspace` inside. */
  readonly tree: string;
  /** A host directory of the session's own; holds `/agent/logs` and `/agent/runtime`. */
  readonly state: string;
  readonly image: string;
  /** The Dockerfile that an image is built with, for the sentence that says so. */
  readonly recipe: string;
  /** Name of a runtime that the engine lists; null for the engine's own choice. */
  readonly runtime: string | null;
  readonly gpus: Gpus | null;
  /** The session's proxy; null where nothing may leave. */
  readonly egress: Egress | null;
  /** How that is made where the engine cannot reach a socket of this machine. */
  readonly proxy: ProxyImage;
  /** What a dev container adds; null where there is none. */
  readonly dev: DevPlace | null;
  /** Null for DOCKER_HOST or the default socket. */
  readonly socketPath: string | null;
  readonly keeper: Keeper;
  /** A directory of Cairn's own with a mark for every container that may exist. */
  readonly marks: string;
  readonly log: Log;
}

/** All that a dev container has a say in: what the container is held to is the same. */
export interface DevPlace {
  /** Digest of the image that was approved. Throws `sandbox.imageRefused` when none was. */
  readonly image: () => Promise<string>;
  readonly env: Readonly<Record<string, string>>;
  /** Where commands start. */
  readonly directory: string;
}

const sessionPattern = /^[a-z0-9][a-z0-9_.-]{0,62}$/;
/** Registry, path, tag and digest; never an option and never two words. */
const imagePattern =
  /^[a-z0-9][a-z0-9._-]*(?::\d+)?(?:\/[a-z0-9._-]+)*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?$/;
const runtimePattern = /^[a-zA-Z0-9][\w.-]{0,62}$/;

/** Throws `usage.invalid` for a name that no container, image or runtime can have. */
export function checkOptions({ session, image, runtime }: DockerSandboxOptions): void {
  if (!sessionPattern.test(session)) {
    throw invalid(
      `${quoted(session)} cannot name a container. Use lower-case letters, digits, ".", "_" and "-", at most 63.`,
    );
  }
  if (!imagePattern.test(image)) {
    throw invalid(`${quoted(image)} cannot name an image. A name is like cairn-sandbox:1.`);
  }
  if (runtime !== null && !runtimePattern.test(runtime)) {
    throw invalid(`${quoted(runtime)} cannot name a container runtime. A name is like runsc.`);
  }
}

function invalid(sentence: string): CairnError {
  return new CairnError("usage.invalid", sentence);
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}
