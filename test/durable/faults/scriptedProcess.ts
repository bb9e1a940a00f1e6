import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Expected } from "./checkStore.ts";
import { faultEnvironment, IoFaults, newControl, type Plan } from "./ioFaults.ts";
import { type Act, recordsAfter } from "./script.ts";

export interface Acknowledged {
  readonly name: string;
  /** Moments safe from a power cut before it was acknowledged. */
  readonly syncs: number;
}

export interface ScriptedEnd {
  /** Operations that the process said were done, in order. */
  readonly acknowledged: readonly Acknowledged[];
  readonly signal: string | null;
  readonly code: number | null;
  /** The calls that it made on the disk. */
  readonly calls: readonly string[];
}

/** The file in which the process notes what was acknowledged, as it is beside a store. */
export const acknowledgedName = "acknowledged";

export function acknowledgedIn(path: string): readonly Acknowledged[] {
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
  return lines.map((line) => {
    const [name = "", syncs] = line.split(",");
    return { name, syncs: Number(syncs) };
  });
}

/** What the store must hold once these operations of an act were acknowledged. */
export function expectedAfter(act: Act, acknowledged: readonly Acknowledged[]): Expected {
  const records = acknowledged.filter(({ name }) => /^(append|create one)/u.test(name)).length;
  const count = records + (act === 1 ? 0 : recordsAfter[1]);
  const blobs = act === 2 || acknowledged.some(({ name }) => name === "blobs");
  // One more may be there that was under way.
  return { records: [count, count + 1], blobs };
}

/** Starts processes that do an act of the script on a disk of which a plan says what becomes of it. */
export class ScriptedProcesses {
  readonly #built: string;
  readonly #library: string;

  /** `built` is where the bundled processes lie, `library` the compiled shim. */
  constructor(built: string, library: string) {
    this.#built = built;
    this.#library = library;
  }

  /** Runs an act on the store in a directory, to its end or to its death. */
  async run(
    act: Act,
    directory: string,
    plan: Plan | null,
    extra: Readonly<Record<string, string>> = {},
  ): Promise<ScriptedEnd> {
    mkdirSync(directory, { recursive: true });
    const beside = `${directory}.beside`;
    mkdirSync(beside);
    const [control, noted] = [newControl(join(beside, "control")), join(beside, acknowledgedName)];
    const faults = new IoFaults(control);
    faults.arm(plan);
    const program = join(this.#built, "scriptedWriter.mjs");
    const child = spawn(process.execPath, [program, this.#built, directory, String(act), noted], {
      env: {
        ...process.env,
        ...faultEnvironment(this.#library, control, directory),
        CAIRN_FAULT_BESIDE: noted,
        NODE_COMPILE_CACHE: join(this.#built, "cache"),
        ...extra,
      },
      stdio: ["ignore", "inherit", "inherit"],
    });
    await once(child, "close");
    const calls = faults.labels();
    faults.close();
    const acknowledged = acknowledgedIn(noted);
    rmSync(beside, { recursive: true });
    return { acknowledged, signal: child.signalCode, code: child.exitCode, calls };
  }
}
