import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CairnError } from "../../../src/core/errors.ts";
import type { DurableDriver } from "../../../src/core/ports.ts";
import { checkStore } from "./checkStore.ts";
import { diskErrorJob, type DiskErrorJob, type DiskErrorOutcome } from "./diskErrorJob.ts";
import { IoFaults } from "./ioFaults.ts";
import { nobody, openStore } from "./openStore.ts";
import { recordsAfter, runAct } from "./script.ts";

const patienceMs = 8000;
const refusals = new Set(["store.unwritable", "store.unavailable"]);
const [built = "", stores = "", control = ""] = process.argv.slice(2);
const faults = new IoFaults(control);

/** One act of the script in a store of its own, with the disk failing as the job says. */
class Run {
  readonly #job: DiskErrorJob;
  readonly #directory: string;
  readonly #calls: Record<string, string[]> = {};
  readonly #problems: string[] = [];
  readonly #refused: string[] = [];
  readonly #driver: DurableDriver;
  #acknowledged: number;
  #blobs: boolean;

  constructor(job: DiskErrorJob) {
    this.#job = job;
    this.#directory = join(stores, job.name);
    if (job.act === 1) mkdirSync(this.#directory);
    else copy(join(stores, "afterAct1"), this.#directory);
    this.#acknowledged = job.act === 1 ? 0 : recordsAfter[1];
    this.#blobs = job.act === 2;
    // Its owner counts as dead, so that a copy of the store can be taken over at once.
    this.#driver = openStore(built, this.#directory, { pid: nobody });
  }

  async outcome(): Promise<DiskErrorOutcome> {
    const { act, keep } = this.#job;
    try {
      await runAct(act, this.#driver, async (name, work) => this.#perform(name, work));
    } catch (error) {
      this.#problems.push(String(error));
    }
    faults.arm(null);
    this.#check(this.#directory, 0, "at the end");
    if (!keep) rmSync(this.#directory, { recursive: true });
    const [job, calls] = [this.#job, this.#calls];
    return { job, calls, refused: this.#refused, problems: this.#problems };
  }

  /** Tries until it is done: as long as the cause lasts it is refused, then it must go through. */
  async #perform(name: string, work: () => Promise<void>): Promise<void> {
    const { fault, stays, hits } = this.#job;
    const at = hits[name];
    // A cut write is one call, and the full disk shows at the next one.
    const times = fault === "shortWrite" ? 2 : 1;
    faults.arm(at === undefined ? null : { fault, at, times: stays ? null : times });
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      const refusal = await refusalOf(work);
      this.#calls[name] ??= [...faults.labels()];
      if (refusal === null) {
        this.#acknowledge(name);
        return;
      }
      this.#refused.push(`${name}: ${refusal}`);
      const when = `${name}, call ${at} (${this.#calls[name][(at ?? 0) - 1]}), attempt ${attempt}`;
      if (!refusals.has(refusal)) this.#problems.push(`${when}: refused with ${refusal}`);
      if (!stays && attempt === 1) this.#checkDead(`killed when refused at ${when}`);
      if (attempt === 2) faults.clear();
      if (!stays || attempt >= 2) await this.#checkDenied(name, when);
      if (attempt === 4) throw new Error(`${when}: does not go on when the cause is gone`);
    }
  }

  #acknowledge(name: string): void {
    if (/^(append|create one)/u.test(name)) this.#acknowledged += 1;
    if (name === "blobs") this.#blobs = true;
  }

  /** The cause is gone and the operation was not tried again: it must not have happened. */
  async #checkDenied(name: string, when: string): Promise<void> {
    if (!name.startsWith("append")) return;
    const records = await this.#driver.read("one").catch(() => null);
    if (records !== null && records.length !== this.#acknowledged) {
      this.#problems.push(`${when}: refused, and ${records.length} records are there`);
    }
  }

  /**
   * As if the process had been killed now: another one opens a copy of the files. A record whose
   * sync failed may be there then: nobody can take back what the disk may have.
   */
  #checkDead(when: string): void {
    const dead = `${stores}.dead`;
    copy(this.#directory, dead);
    this.#check(dead, 1, when);
    rmSync(dead, { recursive: true });
  }

  #check(directory: string, more: 0 | 1, when: string): void {
    const count = this.#acknowledged;
    const problems = checkStore(directory, { records: [count, count + more], blobs: this.#blobs });
    this.#problems.push(...problems.map((problem) => `${when}: ${problem}`));
  }
}

/** By a process of its own: closing a file would drop this process's locks on it. */
function copy(from: string, to: string): void {
  execFileSync("cp", ["-r", from, to], { env: {} });
}

/** Null when it was done; else the code, or what it is instead of one. */
async function refusalOf(work: () => Promise<void>): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it hangs")), patienceMs);
  });
  try {
    await Promise.race([work(), hang]);
    return null;
  } catch (error) {
    return CairnError.is(error) ? error.code : `an error without a code (${String(error)})`;
  } finally {
    clearTimeout(timer);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const outcome = await new Run(diskErrorJob.parse(JSON.parse(line))).outcome();
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
