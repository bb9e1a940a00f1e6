import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { ProxyStreams } from "./proxyTalk.ts";

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
export class SpawnedProxy {
  readonly #child: ChildProcess;
  readonly streams: ProxyStreams;

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
    child.stderr.on("error", () => undefined);
    const gone = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("close", () =>
        resolve(complaint.split("\n").find((line) => /\S/.test(line)) ?? ""),
      );
    });
    this.streams = { input: child.stdin, output: child.stdout, gone };
  }

  /** Resolves when it is gone. Never throws. */
  async end(): Promise<void> {
    this.streams.input.destroy();
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
