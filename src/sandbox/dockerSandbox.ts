import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Container, ContainerCreateOptions } from "dockerode";
import * as z from "zod";
import type Docker from "dockerode";
import { CairnError } from "../core/errors.ts";
import type { ExecOptions, ExecResult, Log, SandboxHost, SandboxUsage } from "../core/ports.ts";
import type { SandboxInfo } from "../core/records.ts";
import { DockerContainer, pipesDirectory, wardenCommand } from "./dockerContainer.ts";
import { askToEnd } from "./askToEnd.ts";
import { dockerUsage } from "./dockerUsage.ts";
import { giveTree } from "./giveTree.ts";
import { PersistentShell } from "./shell.ts";
import { within } from "./within.ts";

export interface DockerSandboxOptions {
  readonly session: string;
  /** The session's tree on the host; `/workspace` inside. */
  readonly tree: string;
  /** A host directory of the session's own; holds `/agent/logs` and `/agent/runtime`. */
  readonly state: string;
  readonly image: string;
  /** Null for DOCKER_HOST or the default socket. */
  readonly socketPath: string | null;
  readonly log: Log;
}

const workspace = "/workspace";
const logs = "/agent/logs";
const runtime = "/agent/runtime";
const sessionPattern = /^[a-z0-9][a-z0-9_.-]{0,62}$/;
const sessionLabel = "cairn.session";
const engineWithinMs = 5_000;
const mebibyte = 1024 * 1024;

/** A hardened container over the session's tree, driven over the engine's socket. */
export class DockerSandbox implements SandboxHost {
  readonly #options: DockerSandboxOptions;
  #docker: Docker | null = null;
  #running: Promise<Running> | null = null;

  constructor(options: DockerSandboxOptions) {
    if (!sessionPattern.test(options.session)) {
      throw new CairnError(
        "usage.invalid",
        `"${options.session}" cannot name a container. Use lower-case letters, digits, ".", "_" and "-", at most 63.`,
      );
    }
    this.#options = options;
  }

  async probe(): Promise<SandboxInfo> {
    const docker = await this.#engine();
    await this.#ping(docker);
    const { image } = this.#options;
    try {
      const { Id } = await docker.getImage(image).inspect();
      return { backend: "docker", image, digest: Id, limits: "" };
    } catch (error) {
      if (statusOf(error) !== 404) throw this.#unavailable(error);
      throw new CairnError(
        "sandbox.imageMissing",
        `The image ${image} is not on this machine. Build it with: docker build -t ${image} -f docker/sandbox.Dockerfile docker`,
        { cause: error },
      );
    }
  }

  async start(): Promise<void> {
    await this.#ensureRunning();
  }

  async run(command: string, options: ExecOptions): Promise<ExecResult> {
    const { shell } = await this.#ensureRunning();
    try {
      return await shell.run(command, options);
    } catch (error) {
      if (CairnError.is(error, "sandbox.lost")) await this.stop();
      throw error;
    }
  }

  async frozen<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running === null) return work();
    const { shell, worker } = await this.#ensureRunning();
    return shell.exclusive(async () => worker.frozen(work));
  }

  async usage(): Promise<SandboxUsage | null> {
    const running = await this.#running;
    return running === null ? null : dockerUsage(running.container);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    this.#options.log("stopping");
    try {
      const { container } = await running;
      await askToEnd(container);
      await within(engineWithinMs, removeContainer(container));
    } catch {
      // It never started, or the engine is gone; the container ends by itself with its stdin.
    }
  }

  async #ensureRunning(): Promise<Running> {
    this.#running ??= this.#startContainer();
    const starting = this.#running;
    try {
      return await starting;
    } catch (error) {
      if (this.#running === starting) this.#running = null;
      throw error;
    }
  }

  async #startContainer(): Promise<Running> {
    const { session, tree, state, image, log } = this.#options;
    const { digest } = await this.probe();
    const docker = await this.#engine();
    await this.#removeStale(docker);
    const user = await this.#handOver();
    const name = `cairn-${session}`;
    const container = await docker.createContainer({
      name,
      Image: digest,
      User: `${user.uid}:${user.gid}`,
      Labels: { cairn: "1", [sessionLabel]: session },
      ...policy({ tree, state }),
    });
    const worker = new DockerContainer(container, name);
    try {
      await worker.start();
    } catch (error) {
      await removeContainer(container);
      throw new CairnError(
        "sandbox.unavailable",
        `The image ${image} cannot be started. It has to have bash, cat, mkfifo and rm; docker/sandbox.Dockerfile builds one that does.`,
        { cause: error },
      );
    }
    log(`started (container ${name}, image ${image}, workspace ${tree})`);
    const shell = new PersistentShell({
      open: async (events) => worker.openShell(events),
      home: workspace,
      logs: { host: join(state, "logs"), inside: logs },
      log,
    });
    return { container, worker, shell };
  }

  /** Directories of the container's user: never root, also where the extension runs as root. */
  async #handOver(): Promise<{ uid: number; gid: number }> {
    const { tree, state } = this.#options;
    const writable = [tree, join(state, "logs"), join(state, "runtime")];
    for (const directory of writable) await mkdir(directory, { recursive: true });
    const uid = process.getuid?.() ?? 1000;
    if (uid !== 0) return { uid, gid: process.getgid?.() ?? 1000 };
    for (const directory of writable) await giveTree(directory, 1000, 1000);
    return { uid: 1000, gid: 1000 };
  }

  async #removeStale(docker: Docker): Promise<void> {
    const label = [`${sessionLabel}=${this.#options.session}`];
    const found = await docker.listContainers({ all: true, filters: { label } });
    for (const { Id } of found) await removeContainer(docker.getContainer(Id));
  }

  async #engine(): Promise<Docker> {
    if (this.#docker !== null) return this.#docker;
    // A quarter of a second to load: only who uses a container pays it.
    const { default: Engine } = await import("dockerode");
    const { socketPath } = this.#options;
    this.#docker = socketPath === null ? new Engine() : new Engine({ socketPath });
    return this.#docker;
  }

  async #ping(docker: Docker): Promise<void> {
    let answer: unknown;
    try {
      answer = await within(engineWithinMs, docker.ping());
    } catch (error) {
      throw this.#unavailable(error);
    }
    if (answer === null) throw this.#unavailable();
  }

  #unavailable(cause?: unknown): CairnError {
    const socket = this.#options.socketPath ?? process.env["DOCKER_HOST"] ?? "/var/run/docker.sock";
    return new CairnError(
      "sandbox.unavailable",
      `No container engine answers at ${socket}. Start Docker (for example: sudo systemctl start docker) or choose another sandbox with --sandbox bubblewrap or --sandbox embedded.`,
      { cause },
    );
  }
}

interface Running {
  readonly container: Container;
  readonly worker: DockerContainer;
  readonly shell: PersistentShell;
}

/** What every container is held to. Each line is seen from inside by a test. */
function policy(host: { readonly tree: string; readonly state: string }): ContainerCreateOptions {
  return {
    Entrypoint: [...wardenCommand],
    Cmd: [],
    Healthcheck: { Test: ["NONE"] },
    WorkingDir: workspace,
    Env: [`HOME=${runtime}`, "LANG=C.UTF-8", "PAGER=cat", "GIT_PAGER=cat"],
    OpenStdin: true,
    // Ends the container, and removes it, when the connection of this process ends.
    StdinOnce: true,
    HostConfig: {
      AutoRemove: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      ReadonlyRootfs: true,
      NetworkMode: "none",
      IpcMode: "private",
      NanoCpus: 1e9,
      Memory: 512 * mebibyte,
      MemorySwap: 512 * mebibyte,
      PidsLimit: 256,
      Ulimits: [
        { Name: "nofile", Soft: 1024, Hard: 4096 },
        { Name: "core", Soft: 0, Hard: 0 },
      ],
      LogConfig: { Type: "none", Config: {} },
      Tmpfs: {
        "/tmp": "rw,exec,nosuid,nodev,size=128m,mode=1777",
        [pipesDirectory]: "rw,noexec,nosuid,nodev,size=1m,mode=1777",
      },
      Mounts: [
        { Type: "bind", Source: host.tree, Target: workspace },
        { Type: "bind", Source: join(host.state, "logs"), Target: logs },
        { Type: "bind", Source: join(host.state, "runtime"), Target: runtime },
      ],
    },
  };
}

async function removeContainer(container: Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    // 404: it is gone. 409: it is already being removed, because it ended.
    if (![404, 409].includes(statusOf(error) ?? 0)) throw error;
    if (statusOf(error) === 409)
      await container.wait({ condition: "removed" }).catch(() => undefined);
  }
}

function statusOf(error: unknown): number | null {
  const parsed = z.object({ statusCode: z.number() }).safeParse(error);
  return parsed.success ? parsed.data.statusCode : null;
}
