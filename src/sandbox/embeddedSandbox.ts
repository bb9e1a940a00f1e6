import { mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { Worker } from "node:worker_threads";
import type { CommandPart } from "../core/action.ts";
import type {
  ExecOptions,
  ExecResult,
  Finding,
  Log,
  SandboxHost,
  SandboxUsage,
} from "../core/ports.ts";
import type { SandboxInfo } from "../core/sandboxInfo.ts";
import type { CommandOutput } from "./commandOutput.ts";
import { deferred } from "./deferred.ts";
import { checkEmbedded } from "./embeddedCheck.ts";
import { embeddedReply, type EmbeddedReply, type EmbeddedRequest } from "./embeddedProtocol.ts";
import { oneAtATime } from "./oneAtATime.ts";
import { embeddedText, shownParts, wasThere } from "./partsText.ts";
import { type Ending, runCommand } from "./runCommand.ts";
import { noDirectory } from "./shell.ts";
import { differs } from "./shellDifference.ts";
import { untilStopped } from "./untilStopped.ts";
import { within } from "./within.ts";

export interface EmbeddedSandboxOptions {
  /** The session's tree on the host; `/workspace` inside. */
  readonly tree: string;
  /** A host directory of the session's own; holds `/agent/logs` and `/agent/runtime`. */
  readonly state: string;
  /** The built or source file of `embeddedWorker.ts`. */
  readonly worker: URL;
  readonly log: Log;
}

const workspace = "/workspace";
const digest = "just-bash@3.4.2";
/** Where just-bash has its commands. */
const usualPath = "/usr/bin:/bin";
const memoryMb = 512;
const checkMs = 10_000;
/** A thread costs tens of megabytes; what it knows is kept here, and a new one starts in a blink. */
const idleMs = 3000;
const countWithinMs = 500;

/** A simulated shell in a thread of its own, for machines without a container engine. */
export class EmbeddedSandbox implements SandboxHost {
  readonly #options: EmbeddedSandboxOptions;
  readonly #inTurn = oneAtATime();
  #worker: Worker | null = null;
  #idle: NodeJS.Timeout | undefined;
  #started = false;
  #cwd = workspace;
  #env: Readonly<Record<string, string>> = {};

  constructor(options: EmbeddedSandboxOptions) {
    this.#options = options;
  }

  async probe(): Promise<SandboxInfo> {
    return {
      backend: "embedded",
      image: null,
      digest,
      limits:
        "The embedded sandbox is a simulated shell without git, node, python, package managers or builds; those need the bubblewrap or docker sandbox.",
    };
  }

  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    const { tree, log } = this.#options;
    await rm(this.#volatile, { recursive: true, force: true });
    for (const { host } of [{ host: tree }, ...this.#mounts])
      await mkdir(host, { recursive: true });
    log(`started (embedded ${digest}, workspace ${tree})`);
  }

  async run(command: string, options: ExecOptions): Promise<ExecResult> {
    return this.#command(options.shown ?? command, async (output) => {
      const { status, exitCode, reply } = await this.#ask(this.#own(command), options, output);
      if (reply !== null) {
        this.#cwd = reply.cwd;
        this.#env = reply.env;
      }
      return { status, exitCode, cwd: this.#cwd };
    });
  }

  async execute(
    parts: readonly CommandPart[],
    options: ExecOptions & { readonly cwd: string },
  ): Promise<ExecResult> {
    return this.#command(options.shown ?? shownParts(parts), async (output) => {
      const { cwd } = options;
      const command = embeddedText(parts, cwd);
      const request = { command, cwd: "/", env: {}, alone: true };
      const { status, exitCode, reply } = await this.#ask(request, options, output);
      if (reply !== null && !wasThere(cwd, reply.cwd)) throw noDirectory(cwd);
      return { status, exitCode, cwd };
    });
  }

  async #command(
    shown: string,
    work: (output: CommandOutput) => Promise<Ending>,
  ): Promise<ExecResult> {
    return this.#inTurn(async () => {
      await this.start();
      const { state, log } = this.#options;
      const logs = { host: join(state, "logs"), inside: "/agent/logs" };
      clearTimeout(this.#idle);
      try {
        return await runCommand(shown, { logs, log }, work);
      } finally {
        this.#idle = setTimeout(() => void this.#inTurn(async () => this.#endWorker()), idleMs);
        this.#idle.unref();
      }
    });
  }

  async check(): Promise<readonly Finding[]> {
    await this.start();
    return checkEmbedded(async (command) => {
      const signal = new AbortController().signal;
      const { stdout } = await this.run(command, { signal, timeoutMs: checkMs });
      return Buffer.from(stdout).toString("utf8").trim();
    });
  }

  /** Nothing runs between two commands. */
  async frozen<T>(work: () => Promise<T>): Promise<T> {
    return this.#inTurn(work);
  }

  /** A thread that is too busy to be counted is alive all the same: only its timeout ends it. */
  async usage(): Promise<SandboxUsage | null> {
    const worker = this.#worker;
    if (worker === null) return null;
    const counted = Promise.all([worker.getHeapStatistics(), worker.cpuUsage()]);
    const found = await within(
      countWithinMs,
      counted.catch(() => null),
    );
    if (found === null) return null;
    const [heap, { user, system }] = found;
    const memoryBytes = heap.used_heap_size + heap.external_memory;
    return { memoryBytes, cpuMs: Math.round((user + system) / 1000) };
  }

  /** Variables are all that goes over from one command to the next. */
  async shellDiffers(): Promise<string> {
    const { PATH: path = usualPath, BASH_ENV: atStart } = this.#env;
    return differs([
      ...(path === usualPath ? [] : ["PATH changed"]),
      ...(atStart === undefined ? [] : ["BASH_ENV set"]),
    ]);
  }

  async stop(): Promise<void> {
    if (!this.#started) return;
    this.#started = false;
    this.#options.log("stopping");
    this.#cwd = workspace;
    this.#env = {};
    clearTimeout(this.#idle);
    await this.#endWorker();
    await rm(this.#volatile, { recursive: true, force: true });
  }

  #own(command: string): EmbeddedRequest {
    return { command, cwd: this.#cwd, env: this.#env, alone: false };
  }

  async #ask(
    request: EmbeddedRequest,
    options: ExecOptions,
    output: CommandOutput,
  ): Promise<Asked> {
    if (options.signal.aborted) return { status: "cancelled", exitCode: null, reply: null };
    const asked = this.#answer(request);
    const stopped = await untilStopped(options, asked);
    if (stopped !== null) {
      // Only the end of the thread stops a loop. Directory and variables are kept here.
      await this.#endWorker();
      return { status: stopped, exitCode: null, reply: null };
    }
    const reply = await asked;
    if (reply === null) {
      this.#worker = null;
      return { status: "shellDied", exitCode: null, reply };
    }
    output.stdout.push(Buffer.from(reply.stdout));
    output.stderr.push(Buffer.from(reply.stderr));
    return { status: "exited", exitCode: reply.exitCode, reply };
  }

  /** Null when the thread ended instead of answering: it ran out of memory. */
  async #answer(request: EmbeddedRequest): Promise<EmbeddedReply | null> {
    const worker = (this.#worker ??= this.#newWorker());
    const reply = deferred<EmbeddedReply | null>();
    const onMessage = (message: unknown): void => reply.resolve(embeddedReply.parse(message));
    const onEnd = (): void => reply.resolve(null);
    worker.once("message", onMessage).once("error", onEnd).once("exit", onEnd);
    worker.postMessage(request);
    try {
      return await reply.promise;
    } finally {
      worker.off("message", onMessage).off("error", onEnd).off("exit", onEnd);
    }
  }

  #newWorker(): Worker {
    const { tree, worker } = this.#options;
    return new Worker(worker, {
      // Nothing of the host: no environment, no arguments, no output of its own.
      env: {},
      argv: [],
      stdin: false,
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
      workerData: [{ host: tree, inside: workspace }, ...this.#mounts],
    });
  }

  get #mounts(): readonly { readonly host: string; readonly inside: string }[] {
    const { state } = this.#options;
    return [
      { host: this.#volatile, inside: "/tmp" },
      { host: join(state, "logs"), inside: "/agent/logs" },
      { host: join(state, "runtime"), inside: "/agent/runtime" },
    ];
  }

  /** `/tmp`: lives as long as the shell, and is this process's own like the tree. */
  get #volatile(): string {
    const { tree, state } = this.#options;
    return join(state, "tmp", basename(tree));
  }

  async #endWorker(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }
}

/** How a request ended, with the answer where there is one. */
interface Asked extends Pick<Ending, "status" | "exitCode"> {
  readonly reply: EmbeddedReply | null;
}
