import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { ProxyProcess } from "../core/ports.ts";

const endWithinMs = 1_000;
const longestComplaint = 2_000;

/**
 * There is one for each session that uses the network: it gives memory back sooner than Node would,
 * and does without the middle one of three compilers, which costs memory and hardly any speed.
 */
const frugal = {
  flags: ["--max-semi-space-size=1", "--no-maglev"],
  environment: { MALLOC_ARENA_MAX: "1" },
} as const;

/** One process of `dist/proxy.js`. It ends with its input, and so with this process. */
export class SpawnedProxy implements ProxyProcess {
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #output: Readable;
  readonly gone: Promise<string>;

  /** `directory` is where it is started, and where a socket without a path of its own lies. */
  constructor(program: string, directory: string) {
    const child = spawn(process.execPath, [...frugal.flags, program], {
      cwd: directory,
      // In the editor Node is a part of Electron, and has to be told.
      env: {
        ...frugal.environment,
        ...(process.versions["electron"] === undefined ? {} : { ELECTRON_RUN_AS_NODE: "1" }),
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child = child;
    let complaint = "";
    child.stderr.on("data", (bytes: Buffer) => {
      complaint = (complaint + bytes.toString()).slice(-longestComplaint);
    });
    for (const stream of child.stdio) stream?.on("error", () => undefined);
    child.stdout.setEncoding("utf8");
    this.#input = child.stdin;
    this.#output = child.stdout;
    this.gone = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("close", () =>
        resolve(complaint.split("\n").find((line) => /\S/.test(line)) ?? ""),
      );
    });
  }

  write(text: string): void {
    this.#input.write(text);
  }

  hear(take: (text: string) => void): void {
    this.#output.on("data", take);
  }

  async end(): Promise<void> {
    this.#input.destroy();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (await this.#isGone()) return;
      this.#child.kill(signal);
    }
    await this.#isGone();
  }

  async #isGone(): Promise<boolean> {
    const { exitCode, signalCode, pid } = this.#child;
    if (exitCode !== null || signalCode !== null || pid === undefined) return true;
    const late = AbortSignal.timeout(endWithinMs);
    return once(this.#child, "exit", { signal: late }).then(
      () => true,
      () => false,
    );
  }
}
