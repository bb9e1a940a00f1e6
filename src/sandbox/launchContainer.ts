import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import type { Container, ContainerCreateOptions } from "dockerode";
import { CairnError } from "../core/errors.ts";
import type { Finding, Log } from "../core/ports.ts";
import { Bridge } from "./bridge.ts";
import type { CommandWay } from "./commandWay.ts";
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
import { dockerWay, engineKind } from "./dockerWay.ts";
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
import { finding } from "./finding.ts";
import { judge, type Expected } from "./selfCheck.ts";
import { judgeInspection } from "./selfCheckEngine.ts";
import { lookInside } from "./selfCheckProbe.ts";
import { removeRemains } from "./sessionRemains.ts";
import { PersistentShell } from "./shell.ts";
import { TwoLegs } from "./twoLegs.ts";
import type { Warden } from "./warden.ts";
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
  /** Why there is no way out, where one is wanted. */
  readonly why: string | null;
  readonly findings: readonly Finding[];
  /** By this machine's clock. */
  readonly startedAt: number;
  /** How many processes the kernel had ended for want of memory, when last asked. */
  oomKills: number;
}

/** Creates, starts and checks a container. Throws `sandbox.unavailable`, as `dockerWay` and as `Egress`, and has left nothing then. */
export async function launch(
  docker: Docker,
  options: DockerSandboxOptions,
  image: Docker.ImageInspectInfo,
): Promise<Launched> {
  const { state, egress, keeper, marks, session, socketPath, log } = options;
  await mkdir(state, { recursive: true });
  const kind = await engineKind(docker, options);
  const way = await dockerWay(docker, options, kind);
  const why = way.kind === "none" ? way.why : null;
  if (why !== null) log(why);
  const wayOut =
    egress === null || way.kind === "none" ? null : await WayOut.open(state, egress, way.kind);
  try {
    await markContainer(marks, session, { ...keeper, socketPath });
    if (wayOut !== null && way.kind === "network") {
      wayOut.legs = await legsOf(docker, options, way.imageId, wayOut);
    }
    return await launchWith(docker, options, image, { wayOut, why, podman: kind.podman });
  } catch (error) {
    await wayOut?.close();
    if (way.kind === "network") {
      await within(tidyMs, removeRemains(docker, options)).catch(() => undefined);
    }
    throw error;
  }
}

async function legsOf(
  docker: Docker,
  { session, keeper, proxy, log }: DockerSandboxOptions,
  imageId: string,
  { egress }: WayOut,
): Promise<TwoLegs> {
  const labels = labelsFor(session, keeper);
  const parts = { imageId, proxy, seccomp: systemCalls, labels };
  return TwoLegs.open(docker, { name: `cairn-${session}`, egress, proxy: parts, log });
}

type Found = Pick<Launched, "wayOut" | "why" | "podman">;

async function launchWith(
  docker: Docker,
  options: DockerSandboxOptions,
  image: Docker.ImageInspectInfo,
  found: Found,
): Promise<Launched> {
  const { session, log, dev } = options;
  const { wayOut } = found;
  const startedAt = Date.now();
  const user = await handOver(options);
  const name = `cairn-${session}`;
  const body = await bodyOf(options, image, user, found);
  const container = await create(docker, body, options);
  wayOut?.legs?.belongsTo(container);
  const worker = new DockerContainer(container, name, wayOut === null ? null : wayOf(wayOut, log));
  try {
    await answerOf(worker.start(), (cause) => cannotStart(options, cause), createWithinMs);
    log(`started (container ${name}, image ${options.image}, workspace ${options.tree})`);
    const directories = boundDirectories({ ...options, proxy: null });
    const shell = new PersistentShell({
      open: async (events) => worker.openShell(events),
      home: dev?.directory ?? workspace,
      logs: { host: directories.get(logs) ?? "", inside: logs },
      log,
    });
    const expected = expectedOf(options, image, user, { ...found, body });
    const parts = { ...found, container, worker, shell, body, expected, startedAt, oomKills: 0 };
    // Bash gets ready while the container is checked; it is given nothing before.
    const warm = shell.warm().catch(() => undefined);
    const findings = await checkAsStarted(parts);
    await warm;
    return { ...parts, findings };
  } catch (error) {
    await within(tidyMs, removeContainer(container)).catch(() => undefined);
    if (CairnError.is(error)) throw error;
    throw engineUnavailable(options.socketPath, error);
  }
}

async function bodyOf(
  options: DockerSandboxOptions,
  image: Docker.ImageInspectInfo,
  user: Expected["user"],
  { wayOut, podman }: Found,
): Promise<ContainerCreateOptions> {
  const { session, keeper, dev } = options;
  const legs = wayOut?.legs ?? null;
  return containerBody({
    ...options,
    proxy: wayOut?.directory ?? null,
    name: `cairn-${session}`,
    seccomp: podman ? await systemCallsFile(options) : systemCalls,
    image: image.Id,
    user,
    labels: labelsFor(session, keeper),
    env: imageEnv(dev?.env ?? {}, image.Config.Env),
    network: legs === null ? null : { id: legs.network.id, names: wayOut?.names ?? "" },
  });
}

function expectedOf(
  { runtime, gpus }: DockerSandboxOptions,
  { Config: { Env } }: Docker.ImageInspectInfo,
  user: Expected["user"],
  { wayOut, podman, body }: Found & Pick<Launched, "body">,
): Expected {
  return {
    user,
    variables: [...(Env ?? []), ...(body.Env ?? [])].map((each) => each.replace(/=.*/s, "")),
    ownKernel: /^(?:runsc|kata)/.test(runtime ?? ""),
    gpus: gpus !== null,
    podman,
    proxied: wayOut !== null,
    network: wayOut?.legs?.network ?? null,
  };
}

function wayOf({ legs }: WayOut, log: Log): (warden: Warden) => CommandWay {
  return (warden) => legs ?? new Bridge(warden, log);
}

/** What can be proved in a moment: from inside, and by what the engine says. */
export async function checkAsStarted({
  container,
  body,
  expected,
  podman,
  wayOut,
}: Pick<Launched, "container" | "body" | "expected" | "podman" | "wayOut">): Promise<
  readonly Finding[]
> {
  const legs = wayOut?.legs ?? null;
  const [facts, inspected, network] = await Promise.all([
    answerOf(lookInside(container, expected.network), lost),
    answerOf(container.inspect(), lost),
    legs?.ready().then(async () => legs.findings()) ?? [],
  ]);
  const words = facts.get("stderr") ?? "";
  const spoke = facts.has("status")
    ? []
    : [finding("selfCheck", "it runs", words.slice(0, 200) || "it said nothing", "broken")];
  const engines = judgeInspection(body, inspected, podman);
  return [...spoke, ...judge(facts, expected), ...engines, ...network];
}

/** Whether commands can reach the proxy, where there is or should be one. */
export async function wayFindings({
  worker,
  why,
}: Pick<Launched, "worker" | "why">): Promise<readonly Finding[]> {
  if (why !== null) return [finding("proxy.there", "a way to the proxy", why, "gap")];
  return worker.way === null ? [] : [await worker.way.finding()];
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
async function handOver(
  places: Pick<HostPlaces, "tree" | "state">,
): Promise<{ uid: number; gid: number }> {
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
