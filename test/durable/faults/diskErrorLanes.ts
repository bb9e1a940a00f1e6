import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type DiskErrorJob, diskErrorOutcome, type DiskErrorOutcome } from "./diskErrorJob.ts";
import { faultEnvironment, newControl } from "./ioFaults.ts";

/** Some processes on failing disks that work through runs side by side, each with stores of its own. */
export class DiskErrorLanes {
  readonly #lanes: readonly Lane[];

  /** `built` is where the bundled processes lie, `library` the compiled shim. */
  constructor(built: string, library: string) {
    this.#lanes = ["one", "two", "three", "four"].map((name) => new Lane(built, library, name));
  }

  /** The same run in every lane; its store stays where later runs can start from. */
  async prepare(job: DiskErrorJob): Promise<readonly DiskErrorOutcome[]> {
    return Promise.all(this.#lanes.map(async (lane) => lane.run(job)));
  }

  async runAll(jobs: readonly DiskErrorJob[]): Promise<readonly DiskErrorOutcome[]> {
    const queue = jobs.values();
    const outcomes: DiskErrorOutcome[] = [];
    const work = async (lane: Lane): Promise<void> => {
      for (const job of queue) outcomes.push(await lane.run(job));
    };
    await Promise.all(this.#lanes.map(work));
    return outcomes;
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map(async (lane) => lane.close()));
  }
}

class Lane {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(built: string, library: string, name: string) {
    const stores = join(built, name);
    mkdirSync(stores);
    const control = newControl(`${stores}.control`);
    const program = join(built, "diskErrorLane.mjs");
    const child = spawn(process.execPath, [program, built, stores, control], {
      env: { ...process.env, ...faultEnvironment(library, control, stores) },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async run(job: DiskErrorJob): Promise<DiskErrorOutcome> {
    this.#child.stdin?.write(`${JSON.stringify(job)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`the process died in ${JSON.stringify(job)}`);
    return diskErrorOutcome.parse(JSON.parse(line.value));
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.stdin?.end();
    await exit;
  }
}
