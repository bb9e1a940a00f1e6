import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { CommandPart } from "../core/action.ts";
import { CairnError } from "../core/errors.ts";
import type {
  Egress,
  ExecOptions,
  ExecResult,
  Finding,
  Log,
  SandboxHost,
  SandboxUsage,
} from "../core/ports.ts";
import type { SandboxInfo } from "../core/sandboxInfo.ts";
import { bubblewrapFilter } from "./bubblewrapFilter.ts";
import { BubblewrapPlace, countsApart } from "./bubblewrapPlace.ts";
import { bubblewrapFindings } from "./bubblewrapProof.ts";
import { giveTree } from "./giveTree.ts";
import { ownDirectory } from "./ownDirectory.ts";
import { PersistentShell } from "./shell.ts";
import { WayOut } from "./wayOut.ts";

export interface BubblewrapSandboxOptions {
  /** The session's tree on the host; `/workspace` inside. */
  readonly tree: string;
  /** A host directory of the session's own; holds `/agent/logs` and `/agent/runtime`. */
  readonly state: string;
  /** The session's proxy; null where nothing may leave. */
  readonly egress: Egress | null;
  readonly log: Log;
}

/** What a place is made of; another number when that changes. */
const digest = "bubblewrap-place-1";
const startAttempts = 3;
const logs = "/agent/logs";
const workspace = "/workspace";

/** Namespaces of the kernel around this machine's own programs: no daemon and no image. */
export class BubblewrapSandbox implements SandboxHost {
  readonly #options: BubblewrapSandboxOptions;
  #running: Promise<Running> | null = null;

  constructor(options: BubblewrapSandboxOptions) {
    this.#options = options;
  }

  /** Some kernels and containers forbid namespaces, and nothing says so but trying. */
  async probe(): Promise<SandboxInfo> {
    const place = await this.#startedPlace(null);
    await this.#prove(place);
    await this.#end(place);
    return {
      backend: "bubblewrap",
      image: null,
      digest,
      limits:
        "The bubblewrap sandbox runs this machine's own programs, read-only. Memory is limited for each process, not for all together, and processor time is not.",
    };
  }

  async start(): Promise<void> {
    await this.#ensureRunning();
  }

  async run(command: string, options: ExecOptions): Promise<ExecResult> {
    return this.#inShell(async (shell) => shell.run(command, options));
  }

  async execute(
    parts: readonly CommandPart[],
    options: ExecOptions & { readonly cwd: string },
  ): Promise<ExecResult> {
    return this.#inShell(async (shell) => shell.execute(parts, options));
  }

  async #inShell<T>(work: (shell: PersistentShell) => Promise<T>): Promise<T> {
    const { shell, wayOut } = await this.#ensureRunning();
    try {
      const result = await work(shell);
      await wayOut?.settle();
      return result;
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
    return running === null ? null : running.worker.usage();
  }

  async shellDiffers(): Promise<string> {
    return this.#running === null ? "" : this.#inShell(async (shell) => shell.differs());
  }

  async check(): Promise<readonly Finding[]> {
    const { shell, worker } = await this.#ensureRunning();
    return shell.exclusive(async () => {
      const bridged = await worker.bridge?.finding();
      return [...(await findings(worker)), ...(bridged === undefined ? [] : [bridged])];
    });
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    this.#options.log("stopping");
    await running.then(
      async (place) => this.#end(place),
      () => undefined,
    );
  }

  async #ensureRunning(): Promise<Running> {
    this.#running ??= this.#startPlace();
    const starting = this.#running;
    try {
      return await starting;
    } catch (error) {
      if (this.#running === starting) this.#running = null;
      throw error;
    }
  }

  async #startPlace(): Promise<Running> {
    const { tree, state, log, egress } = this.#options;
    const place = await this.#startedPlace(egress);
    log(`started (bubblewrap, this machine's programs, workspace ${tree})`);
    const shell = new PersistentShell({
      open: async (events) => place.worker.openShell(events),
      home: workspace,
      logs: { host: join(state, "logs"), inside: logs },
      log,
    });
    // Bash gets ready while the place is proven; it is given nothing before.
    const warm = shell.warm().catch(() => undefined);
    await this.#prove(place);
    await warm;
    return { ...place, shell };
  }

  async #startedPlace(egress: Egress | null): Promise<Place> {
    for (let attempt = 1; ; attempt += 1) {
      const place = await this.#makePlace(egress);
      try {
        await place.worker.start();
        return place;
      } catch (error) {
        if (attempt === startAttempts || !mountWentAway(error)) return this.#refuse(place, error);
        await this.#end(place);
      }
    }
  }

  /** Ends a place that does not keep its policy, and says what does not hold. */
  async #prove(place: Place): Promise<void> {
    const broken = await findings(place.worker).then(
      (found) => found.filter(({ verdict }) => verdict === "broken"),
      async (error: unknown) => this.#end(place).then(() => Promise.reject(error)),
    );
    if (broken.length === 0) return;
    await this.#end(place);
    const named = broken.map(
      ({ control, wanted, found }) => `${control} (wanted: ${wanted}; found: ${found})`,
    );
    throw new CairnError(
      "sandbox.policy",
      `The bubblewrap sandbox does not keep its policy, so nothing was run in it: ${named.join(", ")}. Choose another with --sandbox docker.`,
    );
  }

  async #makePlace(egress: Egress | null): Promise<Place> {
    const { tree, state, log } = this.#options;
    const paths = { tree, logs: join(state, "logs"), runtime: join(state, "runtime") };
    for (const directory of Object.values(paths)) await mkdir(directory, { recursive: true });
    const pipes = await ownDirectory(state, "pipes");
    const opening = egress === null ? null : WayOut.open(state, egress, "socket");
    const wayOut = await opening?.catch(async (error: unknown) => {
      await rm(pipes, { recursive: true, force: true });
      throw error;
    });
    const all = { ...paths, pipes };
    // Inside it is user 1000 also where the extension runs as root.
    if (process.getuid?.() === 0) {
      for (const directory of Object.values(all)) await giveTree(directory, 1000, 1000);
    }
    const proxy = wayOut?.directory ?? null;
    return { pipes, wayOut: wayOut ?? null, worker: new BubblewrapPlace({ ...all, proxy }, log) };
  }

  async #end({ worker, pipes, wayOut }: Place): Promise<void> {
    await worker.stop();
    await wayOut?.close();
    await rm(pipes, { recursive: true, force: true });
  }

  async #refuse(place: Place, cause: unknown): Promise<never> {
    await this.#end(place);
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError(
      "sandbox.unavailable",
      `The bubblewrap sandbox cannot be started here: ${said}. Install it (for example: sudo apt-get install bubblewrap) and allow user namespaces (sudo sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0), or choose --sandbox docker.`,
      { cause },
    );
  }
}

/** Bubblewrap walks all mounts of the machine, and one of them may be taken away meanwhile. */
function mountWentAway(error: unknown): boolean {
  return error instanceof Error && /mount.*No such file or directory/.test(error.message);
}

async function findings(worker: BubblewrapPlace): Promise<readonly Finding[]> {
  const mayMiss = new Set<string>();
  if (bubblewrapFilter(process.arch) === null) mayMiss.add("calls.filtered");
  if (!countsApart) mayMiss.add("processes.bounded");
  return bubblewrapFindings(await worker.proof(), mayMiss, worker.bridge !== null);
}

interface Place {
  readonly worker: BubblewrapPlace;
  /** A directory of its own, gone with it. */
  readonly pipes: string;
  readonly wayOut: WayOut | null;
}

interface Running extends Place {
  readonly shell: PersistentShell;
}
