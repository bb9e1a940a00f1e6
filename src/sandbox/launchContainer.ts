import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import type { Container, ContainerCreateOptions } from "dockerode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { Finding } from "../core/ports.ts";
import { labelsFor } from "./containerLabels.ts";
import { imageEnv } from "./devContainerVariables.ts";
import { DockerContainer } from "./dockerContainer.ts";
import {
  answerOf,
  engineReason,
  engineUnavailable,
  removeContainer,
  statusOf,
} from "./dockerEngine.ts";
import type { DockerSandboxOptions } from "./dockerSandboxOptions.ts";
import { giveTree } from "./giveTree.ts";
import {
  boundDirectories,
  containerBody,
  type HostPlaces,
  logs,
  secrets,
  systemCalls,
  workspace,
} from "./policy.ts";
import { markContainer } from "./reaper.ts";
import { finding, judge, type Expected } from "./selfCheck.ts";
import { judgeInspection } from "./selfCheckEngine.ts";
import { lookInside } from "./selfCheckProbe.ts";
import { PersistentShell } from "./shell.ts";
import { WayOut } from "./wayOut.ts";
import { within } from "./within.ts";

/** An image that is not in the engine's cache takes a while. */
const createWithinMs = 8_000;
const tidyMs = 3_000;

/** A container that runs, and what was found in it before anything else ran. */
export interface Launched {
  readonly container: Container;
  readonly worker: DockerContainer;
  readonly shell: PersistentShell;
  readonly body: ContainerCreateOptions;
  readonly expected: Expected;
  readonly podman: boolean;
  readonly wayOut: WayOut | null;
  readonly findings: readonly Finding[];
  /** By this machine's clock. */
  readonly startedAt: number;
  /** How many processes the kernel had ended for want of memory, when last asked. */
  oomKills: number;
}

/** Creates, starts and checks a container. Throws `sandbox.unavailable` and as `Egress`, and has left nothing then. */
export async function launch(
  docker: Docker,
  options: DockerSandboxOptions,
  image: Docker.ImageInspectInfo,
): Promise<Launched> {
  await mkdir(options.state, { recursive: true });
  const engine = await answerOf(engineKind(docker, options), lost);
  if (options.egress !== null && !engine.sharesSockets) options.log(noSockets);
  const wayOut = await WayOut.open(options.state, engine.sharesSockets ? options.egress : null);
  try {
    return await launchWith(docker, options, image, { wayOut, podman: engine.podman });
  } catch (error) {
    await wayOut?.close();
    throw error;
  }
}

async function launchWith(
  docker: Docker,
  options: DockerSandboxOptions,
  image: Docker.ImageInspectInfo,
  { wayOut, podman }: Pick<Launched, "wayOut" | "podman">,
): Promise<Launched> {
  const { session, keeper, marks, socketPath, log, dev } = options;
  const startedAt = Date.now();
  const places = { ...options, proxy: wayOut?.directory ?? null };
  const user = await handOver(places);
  const name = `cairn-${session}`;
  const body = containerBody({
    ...options,
    ...places,
    name,
    seccomp: podman ? await systemCallsFile(options) : systemCalls,
    image: image.Id,
    user,
    labels: labelsFor(session, keeper),
    env: imageEnv(dev?.env ?? {}, image.Config.Env),
  });
  await markContainer(marks, session, { ...keeper, socketPath });
  const container = await create(docker, body, options);
  const worker = new DockerContainer(container, name, wayOut === null ? null : log);
  try {
    await answerOf(worker.start(), (cause) => cannotStart(options, cause), createWithinMs);
    log(`started (container ${name}, image ${options.image}, workspace ${options.tree})`);
    const expected: Expected = {
      user,
      variables: [...(image.Config.Env ?? []), ...(body.Env ?? [])].map((each) =>
        each.replace(/=.*/s, ""),
      ),
      ownKernel: /^(?:runsc|kata)/.test(options.runtime ?? ""),
      gpus: options.gpus !== null,
      podman,
      proxied: wayOut !== null,
    };
    const shell = new PersistentShell({
      open: async (events) => worker.openShell(events),
      home: dev?.directory ?? workspace,
      logs: { host: boundDirectories(places).get(logs) ?? "", inside: logs },
      log,
    });
    const parts = {
      container,
      worker,
      shell,
      body,
      expected,
      podman,
      wayOut,
      startedAt,
      oomKills: 0,
    };
    // Bash gets ready while the container is checked; it is given nothing before.
    const warm = shell.warm().catch(() => undefined);
    const findings = await checkAsStarted(parts);
    await warm;
    return { ...parts, findings };
  } catch (error) {
    await within(tidyMs, removeContainer(container)).catch(() => undefined);
    if (CairnError.is(error)) throw error;
    throw engineUnavailable(socketPath, error);
  }
}

/** What can be proved in a moment: from inside, and by what the engine says. */
export async function checkAsStarted({
  container,
  body,
  expected,
  podman,
}: Pick<Launched, "container" | "body" | "expected" | "podman">): Promise<readonly Finding[]> {
  const [facts, inspected] = await Promise.all([
    answerOf(lookInside(container), lost),
    answerOf(container.inspect(), lost),
  ]);
  const words = facts.get("stderr") ?? "";
  const spoke = facts.has("status")
    ? []
    : [finding("selfCheck", "it runs", words.slice(0, 200) || "it said nothing", "broken")];
  return [...spoke, ...judge(facts, expected), ...judgeInspection(body, inspected, podman)];
}

function lost(cause?: unknown): CairnError {
  return new CairnError(
    "sandbox.unavailable",
    "The container engine did not answer while the container was checked. Start the session again.",
    { cause },
  );
}

async function create(
  docker: Docker,
  body: ContainerCreateOptions,
  options: DockerSandboxOptions,
): Promise<Container> {
  return answerOf(
    docker.createContainer(body),
    (cause) => {
      if (statusOf(cause) === null) return engineUnavailable(options.socketPath, cause);
      if (statusOf(cause) !== 409) return cannotStart(options, cause);
      return new CairnError(
        "sandbox.unavailable",
        `Another container has the name ${body.name}, and it is not this Cairn's. Remove it with: docker rm -f ${body.name}`,
        { cause },
      );
    },
    createWithinMs,
  );
}

function cannotStart(
  { image, recipe, runtime, gpus }: DockerSandboxOptions,
  cause?: unknown,
): CairnError {
  const reason = engineReason(cause);
  const sentence =
    gpus !== null && /device driver|gpu|nvidia|cdi/i.test(reason)
      ? `The container engine cannot give a container ${gpus === "all" ? "the GPUs" : `${gpus} GPUs`} (${reason}). Install its GPU toolkit, or empty cairn.sandbox.gpus.`
      : runtime !== null
        ? `The image ${image} cannot be started with the runtime ${runtime}: ${reason}. Choose another one in cairn.sandbox.runtime or with --runtime.`
        : `The image ${image} cannot be started: ${reason}. It has to have bash, cat, mkfifo and rm; ${recipe} builds one that does.`;
  return new CairnError("sandbox.unavailable", sentence, { cause });
}

/** Directories of the container's user: never root, also where the extension runs as root. */
async function handOver(places: HostPlaces): Promise<{ uid: number; gid: number }> {
  const directories = boundDirectories({ ...places, proxy: null });
  const closed = directories.get(secrets) ?? "";
  for (const directory of directories.values()) await mkdir(directory, { recursive: true });
  await chmod(closed, 0o555);
  const writable = [...directories.values()].filter((directory) => directory !== closed);
  const uid = process.getuid?.() ?? 1000;
  if (uid !== 0) return { uid, gid: process.getgid?.() ?? 1000 };
  for (const directory of writable) await giveTree(directory, 1000, 1000);
  return { uid: 1000, gid: 1000 };
}

/** Docker takes the list itself, Podman the path of a file; no container sees it. */
async function systemCallsFile({ state }: DockerSandboxOptions): Promise<string> {
  const path = join(state, "seccomp.json");
  await writeFile(path, systemCalls);
  return path;
}

/** Said where a socket of this machine is no socket inside, and so commands have no way to a proxy. */
const noSockets =
  "Nothing can leave this sandbox: its engine runs in a machine of its own, where a socket of this one cannot be reached.";

const version = z.object({
  Platform: z.object({ Name: z.string() }).optional(),
  Components: z.array(z.object({ Name: z.string() })),
});

/**
 * Podman answers as Docker does, and says less about what it made. An engine that runs in a machine
 * of its own shows files of this one, and no sockets.
 */
async function engineKind(
  docker: Docker,
  { socketPath }: DockerSandboxOptions,
): Promise<{ readonly podman: boolean; readonly sharesSockets: boolean }> {
  const { Platform, Components } = version.parse(await docker.version());
  const address = process.env["DOCKER_HOST"] ?? "";
  const local = socketPath !== null || address === "" || address.startsWith("unix:");
  const desktop = /desktop/i.test(Platform?.Name ?? "");
  return {
    podman: Components.some(({ Name }) => Name.startsWith("Podman")),
    sharesSockets: process.platform === "linux" && local && !desktop,
  };
}
