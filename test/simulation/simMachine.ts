import type { World } from "../../src/core/ports.ts";
import type { RecordBody } from "../../src/core/records.ts";
import { Random } from "./random.ts";
import { Killed, SimDisk } from "./simDisk.ts";

/** What is on the disk: who may write, and what was written. */
export type Line =
  | { readonly kind: "lease"; readonly epoch: number; readonly until: number }
  | {
      readonly kind: "record";
      readonly epoch: number;
      readonly body: RecordBody;
      /** The lease that came with it in one transaction, for a session's first record. */
      readonly until?: number;
    };

/** When something happens to the process that is running: counted in its reads and writes. */
export interface Trouble {
  readonly at: number;
  /** `killed`: the process ends. `power`: so does the machine. `stopped`: it is woken after its lease is over. */
  readonly kind: "killed" | "power" | "stopped";
}

/** One machine: a disk, a clock and chance, all of them given, and processes that trouble comes over. */
export class SimMachine {
  readonly disk = new SimDisk<Line>();
  readonly random: Random;
  /** What the outside world saw of effects, by name. */
  readonly effects = new Map<string, number>();
  /** How often a pure step ran, by name. */
  readonly runs = new Map<string, number>();
  /** How often the machine was started. */
  boots = 1;
  #now = 1000;
  #ids = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  get now(): number {
    return this.#now;
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  readonly world: World = {
    now: () => this.#now,
    boot: () => null,
    newId: () => `id${(this.#ids += 1)}`,
    digest: hash,
    sleep: async (ms) => this.pass(ms),
  };

  count(of: Map<string, number>, name: string): void {
    of.set(name, (of.get(name) ?? 0) + 1);
  }
}

/** A process on a machine: every read, write and sync is a point where trouble may come. */
export class SimProcess {
  readonly machine: SimMachine;
  readonly #trouble: Trouble | null;
  /** Runs while this process is stopped; it is woken when that is done. */
  readonly #meanwhile: () => Promise<void>;
  readonly #boot: number;
  #points = 0;
  /** The trouble has come, and the process lives. */
  #over = false;
  #dead = false;

  constructor(machine: SimMachine, trouble: Trouble | null, meanwhile: () => Promise<void>) {
    this.machine = machine;
    this.#trouble = trouble;
    this.#meanwhile = meanwhile;
    this.#boot = machine.boots;
  }

  get points(): number {
    return this.#points;
  }

  /** `inside` a transaction, which keeps others out: a process that is stopped there is stopped after it. */
  async point(place: "between" | "inside" = "between"): Promise<void> {
    if (this.#dead || this.machine.boots !== this.#boot) throw new Killed();
    this.#points += 1;
    this.machine.pass(1);
    const { at, kind } = this.#trouble ?? { at: Number.POSITIVE_INFINITY, kind: "killed" };
    if (this.#points < at || this.#over) return;
    if (kind === "stopped") {
      if (place === "inside") return;
      this.#over = true;
      await this.#meanwhile();
      if (this.machine.boots !== this.#boot) throw new Killed();
      return;
    }
    this.#dead = true;
    if (kind === "power") {
      this.machine.disk.crash(this.machine.random);
      this.machine.boots += 1;
    }
    throw new Killed();
  }
}

/** 53 bits (cyrb53): enough to tell a handful of steps apart, and quick. */
function hash(text: string): string {
  let low = 0xdeadbeef;
  let high = 0x41c6ce57;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    low = Math.imul(low ^ code, 2654435761);
    high = Math.imul(high ^ code, 1597334677);
  }
  return (4294967296 * (2097151 & high) + (low >>> 0)).toString(16);
}
