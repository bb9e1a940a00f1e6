import { execFileSync } from "node:child_process";
import { closeSync, openSync, readSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** What happens at a call that changes a file. An error name: the call fails with it. */
export type Fault =
  | "ENOSPC"
  | "EIO"
  | "EROFS"
  | "EMFILE"
  | "shortWrite"
  | "killBefore"
  | "killAfter"
  | "stopBefore";

export interface Plan {
  readonly fault: Fault;
  /** The number of the call, from one. */
  readonly at: number;
  /** How many calls in a row it hits; null until it is taken away. */
  readonly times: number | null;
  /** Hits calls of this kind only. */
  readonly only?: "open" | "write" | "sync" | "truncate" | "unlink";
}

const actions: Readonly<Record<Fault, number>> = {
  ENOSPC: constants.errno.ENOSPC,
  EIO: constants.errno.EIO,
  EROFS: constants.errno.EROFS,
  EMFILE: constants.errno.EMFILE,
  killBefore: -1,
  killAfter: -2,
  shortWrite: -3,
  stopBefore: -4,
};

const slot = { count: 0, action: 1, at: 2, times: 3, fired: 4, syncs: 5, only: 6 } as const;
const labelsFrom = 4096;
const labelSize = 64;
const maxLabels = 8192;

/** Compiles the library that is put in front of libc; returns its path. */
export function compileShim(directory: string): string {
  const library = join(directory, "shim.so");
  const source = new URL("shim.c", import.meta.url).pathname;
  execFileSync("cc", [
    "-shared",
    "-fPIC",
    "-O1",
    "-Wall",
    "-Werror",
    "-o",
    library,
    source,
    "-ldl",
  ]);
  return library;
}

/** An empty page that tells one process when and how its disk fails. */
export function newControl(path: string): string {
  writeFileSync(path, "");
  truncateSync(path, labelsFrom + labelSize * maxLabels);
  return path;
}

/** What a process is started with so that its disk can fail. */
export function faultEnvironment(
  library: string,
  control: string,
  folder: string,
): Readonly<Record<string, string>> {
  return { LD_PRELOAD: library, CAIRN_FAULT_CONTROL: control, CAIRN_FAULT_FOLDER: folder };
}

/** The control page of one process, from inside it or from another one. */
export class IoFaults {
  readonly #page: number;

  constructor(control: string) {
    this.#page = openSync(control, "r+");
  }

  /** Counts from zero again, with this plan; without one, nothing fails. */
  arm(plan: Plan | null): void {
    this.clear();
    for (const number of [slot.count, slot.fired, slot.syncs]) this.#set(number, 0);
    if (plan === null) return;
    this.#set(slot.at, plan.at);
    this.#set(slot.times, plan.times ?? -1);
    this.#set(slot.only, plan.only?.codePointAt(0) ?? 0);
    this.#set(slot.action, actions[plan.fault]);
  }

  /** The cause is gone. */
  clear(): void {
    this.#set(slot.action, 0);
  }

  /** Calls since `arm`. */
  get count(): number {
    return this.#get(slot.count);
  }

  /** Resolves when the plan has hit a call. Memory that is shared tells nobody, so it is looked at. */
  async met(): Promise<void> {
    while (this.#get(slot.fired) === 0) await delay(5);
  }

  /** Moments at which something became safe from a power cut. */
  get syncs(): number {
    return this.#get(slot.syncs);
  }

  /** Every call since `arm`, such as `write sessions.db-wal`. */
  labels(): readonly string[] {
    const bytes = Buffer.alloc(Math.min(this.count, maxLabels) * labelSize);
    readSync(this.#page, bytes, 0, bytes.length, labelsFrom);
    return Array.from({ length: bytes.length / labelSize }, (_, index) => {
      const text = bytes.toString("utf8", index * labelSize, (index + 1) * labelSize);
      return text.slice(0, text.indexOf("\0"));
    });
  }

  close(): void {
    closeSync(this.#page);
  }

  #get(number: number): number {
    const bytes = Buffer.alloc(8);
    readSync(this.#page, bytes, 0, 8, number * 8);
    return Number(bytes.readBigInt64LE());
  }

  #set(number: number, value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    writeSync(this.#page, bytes, 0, 8, number * 8);
  }
}
