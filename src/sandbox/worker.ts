import type { CommandPart } from "../core/action.ts";
import { CairnError } from "../core/errors.ts";
import type {
  ExecOptions,
  ExecResult,
  Finding,
  Log,
  SandboxHost,
  SandboxTerminal,
  SandboxUsage,
  TerminalScreen,
} from "../core/ports.ts";
import type { SandboxInfo } from "../core/sandboxInfo.ts";
import type { WorkerState, WorkerStatus } from "../core/workerStatus.ts";
import { deferred } from "./deferred.ts";
import { findTools } from "./findTools.ts";
import type { KnownTools } from "./knownTools.ts";
import { shownParts } from "./partsText.ts";
import { within } from "./within.ts";
import { stateAfter, type WorkerEvent } from "./workerLife.ts";
import type { Workers } from "./workers.ts";

export interface WorkerOptions {
  readonly session: string;
  readonly info: Pick<SandboxInfo, "backend" | "image" | "digest">;
  /** Makes the place that does the work; its lines go to the log that it is given. */
  readonly make: (log: Log) => SandboxHost;
  /** Lines for people: what is started, what runs, what it gave. */
  readonly log: Log;
  /** Lines on the worker's own life. */
  readonly note: Log;
  readonly tools: KnownTools;
  readonly workers: Workers;
  readonly heart?: Partial<Heart>;
}

/** When a place that runs a command is asked for a sign of life, and how often it may owe one. */
interface Heart {
  readonly everyMs: number;
  readonly withinMs: number;
  readonly misses: number;
}

interface Task {
  readonly command: string;
  readonly startedAt: number;
}

const usualHeart: Heart = { everyMs: 2_000, withinMs: 3_000, misses: 2 };
/** An engine counts a container once a second, and lets whoever asks again wait for that. */
const freshMs = 1_500;
/** Their words are in the log already: the command, and what it gave. */
const said: ReadonlySet<WorkerEvent> = new Set(["task", "result"]);
const longestTask = 200;

/**
 * A sandbox with a life: spawned, checked, registered with what it can do, watched while it works,
 * ended politely. Whatever stands behind it, a place that does not answer is `sandbox.lost`, and
 * what ran in it is not run again.
 */
export class Worker implements SandboxHost {
  readonly #options: WorkerOptions;
  readonly #host: SandboxHost;
  readonly #heart: Heart;
  readonly #tasks: Task[] = [];
  #state: WorkerState = "down";
  #starting: Promise<void> | null = null;
  #startedAt: number | null = null;
  #lastHeartbeat: number | null = null;
  #used: SandboxUsage | null = null;
  #measuring: Promise<SandboxUsage | null> | null = null;
  #tools: Readonly<Record<string, string>> = {};
  /** Rejects what waits for an answer that will not come. */
  #silence = deferred<never>();
  #pulse: NodeJS.Timeout | null = null;
  #missed = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#heart = { ...usualHeart, ...options.heart };
    this.#host = options.make((line) => {
      // What is asked to register is no command of the session.
      if (this.#state !== "registering") options.log(line);
    });
    this.#silence.promise.catch(() => undefined);
  }

  async probe(): Promise<SandboxInfo> {
    return this.#host.probe();
  }

  async start(): Promise<void> {
    this.#starting ??= this.#spawn();
    await this.#starting;
  }

  async run(command: string, options: ExecOptions): Promise<ExecResult> {
    return this.#work(command, async () => this.#host.run(command, options));
  }

  async execute(
    parts: readonly CommandPart[],
    options: ExecOptions & { readonly cwd: string },
  ): Promise<ExecResult> {
    return this.#work(shownParts(parts), async () => this.#host.execute(parts, options));
  }

  async #work(shown: string, work: () => Promise<ExecResult>): Promise<ExecResult> {
    await this.start();
    const task: Task = { command: shortened(shown), startedAt: Date.now() };
    this.#tasks.push(task);
    this.#move("task");
    this.#watch();
    try {
      const result = work();
      result.catch(() => undefined);
      return await Promise.race([result, this.#silence.promise]);
    } catch (error) {
      if (CairnError.is(error, "sandbox.lost")) this.#lose();
      throw error;
    } finally {
      this.#tasks.splice(this.#tasks.indexOf(task), 1);
      if (this.#tasks.length === 0) {
        this.#rest();
        this.#move("result");
      }
    }
  }

  async check(): Promise<readonly Finding[]> {
    return this.#host.check();
  }

  async frozen<T>(work: () => Promise<T>): Promise<T> {
    // Behind the commands that came before, which wait for the start in the same way.
    if (this.#starting !== null) await this.start();
    return this.#host.frozen(work);
  }

  async usage(): Promise<SandboxUsage | null> {
    return this.#host.usage();
  }

  async shellDiffers(): Promise<string> {
    return this.#starting === null ? "" : ((await this.#host.shellDiffers?.()) ?? "");
  }

  async terminal(screen: TerminalScreen): Promise<SandboxTerminal | null> {
    return (await this.#host.terminal?.(screen)) ?? null;
  }

  async stop(): Promise<void> {
    this.#rest();
    this.#starting = null;
    this.#move("shutdown");
    await this.#host.stop();
    this.#move("terminated");
    this.#startedAt = null;
    this.#options.workers.remove(this);
  }

  /** How it is now. Never throws: a place that does not answer is shown as it was last seen. */
  async status(): Promise<WorkerStatus> {
    const { session, info } = this.#options;
    const usage = await this.#sign();
    const [task = null] = this.#tasks;
    return {
      session,
      state: this.#state,
      backend: info.backend,
      image: info.image,
      task,
      memoryBytes: usage?.memoryBytes ?? null,
      cpuMs: usage?.cpuMs ?? null,
      startedAt: this.#startedAt,
      lastHeartbeat: this.#lastHeartbeat,
      tools: this.#tools,
    };
  }

  async #spawn(): Promise<void> {
    const { workers, info, tools } = this.#options;
    this.#move("spawn");
    this.#measuring = null;
    this.#lastHeartbeat = null;
    this.#silence = deferred<never>();
    this.#silence.promise.catch(() => undefined);
    workers.add(this);
    try {
      await this.#host.start();
      this.#startedAt = Date.now();
      this.#move("spawned");
      await this.#measure();
      this.#move("healthy");
      this.#tools = await tools.of(info.digest, async () => findTools(this.#host));
      this.#move("registered");
      const found = Object.entries(this.#tools).map(([name, version]) => `${name} ${version}`);
      this.#options.note(`can: ${found.join(", ") || "nothing that was looked for"}`);
    } catch (error) {
      this.#starting = null;
      this.#move("lost");
      await this.#host.stop();
      workers.remove(this);
      throw error;
    }
  }

  #move(event: WorkerEvent): void {
    const next = stateAfter(this.#state, event);
    if (next === null) return;
    if (!said.has(event)) this.#options.note(`${this.#state} → ${next} (${event})`);
    this.#state = next;
  }

  #watch(): void {
    if (this.#pulse !== null) return;
    this.#missed = 0;
    this.#pulse = setInterval(() => void this.#beat(), this.#heart.everyMs);
    this.#pulse.unref();
  }

  #rest(): void {
    if (this.#pulse !== null) clearInterval(this.#pulse);
    this.#pulse = null;
  }

  async #beat(): Promise<void> {
    const pulse = this.#pulse;
    const heard = await this.#isHeard();
    // What it was asked for is over by now, or another one runs.
    if (pulse === null || pulse !== this.#pulse) return;
    if (heard) {
      this.#missed = 0;
      this.#move("beat");
      return;
    }
    this.#missed += 1;
    this.#move("missed");
    if (this.#missed < this.#heart.misses) return;
    this.#silence.reject(
      new CairnError(
        "sandbox.lost",
        "The sandbox does not answer while a command runs. The command is not run again; resume the session to go on in a new one.",
      ),
    );
    await this.#host.stop();
  }

  async #isHeard(): Promise<boolean> {
    const usage = this.#measure().then(
      () => true,
      () => false,
    );
    const heard = await within(this.#heart.withinMs, usage);
    // It is asked anew, and not waited for once more.
    if (heard === null) this.#measuring = null;
    return heard ?? false;
  }

  /** One question at a time, however many want to know; every answer is a heartbeat. */
  async #measure(): Promise<SandboxUsage | null> {
    this.#measuring ??= (async () => {
      try {
        this.#used = await this.#host.usage();
        this.#lastHeartbeat = Date.now();
        return this.#used;
      } finally {
        this.#measuring = null;
      }
    })();
    return this.#measuring;
  }

  /** What it uses, when it runs and answers in time. */
  async #sign(): Promise<SandboxUsage | null> {
    if (this.#startedAt === null) return null;
    if (Date.now() - (this.#lastHeartbeat ?? 0) < freshMs) return this.#used;
    try {
      return await within(this.#heart.withinMs, this.#measure());
    } catch (error) {
      if (CairnError.is(error, "sandbox.lost")) this.#lose();
      return null;
    }
  }

  /** The next command finds a new place. */
  #lose(): void {
    this.#starting = null;
    this.#move("lost");
    this.#options.workers.remove(this);
  }
}

function shortened(command: string): string {
  const line = command.replaceAll(/\s+/gu, " ").trim();
  return line.length > longestTask ? `${line.slice(0, longestTask)}…` : line;
}
