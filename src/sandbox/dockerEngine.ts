import type Docker from "dockerode";
import type { Container, Exec, Network } from "dockerode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import { within } from "./within.ts";

const engineWithinMs = 5_000;

/** An engine that answers. `socketPath` is null for DOCKER_HOST or the usual socket. Throws `sandbox.unavailable`. */
export async function connectEngine(socketPath: string | null): Promise<Docker> {
  // A quarter of a second to load: only who uses a container pays it.
  const { default: Engine } = await import("dockerode");
  const docker = socketPath === null ? new Engine() : new Engine({ socketPath });
  await answerOf(docker.ping(), () => engineUnavailable(socketPath));
  return docker;
}

/** What the engine answers in time; what else it does becomes the error, with its cause. */
export async function answerOf<T>(
  answer: Promise<T>,
  otherwise: (cause?: unknown) => CairnError,
  ms = engineWithinMs,
): Promise<T> {
  const got = await within(
    ms,
    answer.then(
      (value) => ({ value }),
      (error: unknown) => {
        throw otherwise(error);
      },
    ),
  );
  if (got === null) throw otherwise();
  return got.value;
}

export function engineUnavailable(socketPath: string | null, cause?: unknown): CairnError {
  const socket = socketPath ?? process.env["DOCKER_HOST"] ?? "/var/run/docker.sock";
  return new CairnError(
    "sandbox.unavailable",
    `No container engine answers at ${socket}. Start Docker (for example: sudo systemctl start docker) or choose another sandbox with --sandbox bubblewrap or --sandbox embedded.`,
    { cause },
  );
}

/** Resolves when the container is gone, also when it went by itself. */
export async function removeContainer(container: Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    // 404: it is gone. 409: it is already being removed, because it ended.
    if (![404, 409].includes(statusOf(error) ?? 0)) throw error;
    if (statusOf(error) === 409)
      await container.wait({ condition: "removed" }).catch(() => undefined);
  }
}

/** Resolves when the network is gone, also when it was. */
export async function removeNetwork(network: Network): Promise<void> {
  try {
    await network.remove();
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
}

/** The engine's HTTP status, null when it is not an answer of the engine. */
export function statusOf(error: unknown): number | null {
  const parsed = z.object({ statusCode: z.number() }).safeParse(error);
  return parsed.success ? parsed.data.statusCode : null;
}

/** What the engine gave as its reason, in one line. */
export function engineReason(error: unknown): string {
  const parsed = z.object({ json: z.object({ message: z.string() }) }).safeParse(error);
  const text = parsed.data?.json.message ?? (error instanceof Error ? error.message : "no answer");
  return text.replaceAll(/\s+/g, " ").trim().slice(0, 300);
}

export interface ExecState {
  readonly running: boolean;
  /** Null when the engine does not know. */
  readonly exitCode: number | null;
}

/** Podman forgets a program some time after it ended: then all that is known is that it did. */
export async function execState(exec: Exec): Promise<ExecState> {
  try {
    const { Running: running, ExitCode: exitCode } = await exec.inspect();
    return { running, exitCode };
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    return { running: false, exitCode: null };
  }
}
