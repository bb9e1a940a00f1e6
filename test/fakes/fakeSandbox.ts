import type { CommandPart } from "../../src/core/action.ts";
import type { ExecOptions, ExecResult, Finding, SandboxHost } from "../../src/core/ports.ts";
import type { SandboxInfo } from "../../src/core/sandboxInfo.ts";

/** Runs nothing: remembers the commands and answers each with the same result. */
export class FakeSandbox implements SandboxHost {
  readonly commands: string[] = [];
  starts = 0;
  #started = false;
  /** What a command does; a test writes files or dies here. */
  onRun: (command: string) => Promise<void> = async () => {};
  /** Where a command leaves the shell; null for where it was. */
  cwdAfter: (command: string) => string | null = () => null;
  #cwd = "/workspace";

  async probe(): Promise<SandboxInfo> {
    return { backend: "embedded", image: null, digest: "fake", limits: "" };
  }

  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.starts += 1;
  }

  async run(command: string, options: ExecOptions): Promise<ExecResult> {
    const result = await this.#do(command, options);
    this.#cwd = this.cwdAfter(command) ?? this.#cwd;
    return { ...result, cwd: this.#cwd };
  }

  async execute(
    parts: readonly CommandPart[],
    options: ExecOptions & { readonly cwd: string },
  ): Promise<ExecResult> {
    const words = parts.map(({ run }) => run.join(" "));
    const result = await this.#do(`alone: ${words.join(" / ")}`, options);
    return { ...result, cwd: options.cwd };
  }

  async #do(command: string, options: ExecOptions): Promise<Omit<ExecResult, "cwd">> {
    await this.start();
    this.commands.push(command);
    await this.onRun(command);
    return {
      status: options.signal.aborted ? "cancelled" : "exited",
      exitCode: 0,
      stdout: new TextEncoder().encode("ok\n"),
      stderr: new Uint8Array(),
      durationMs: 1,
      truncated: false,
      fullOutput: null,
    };
  }

  async check(): Promise<readonly Finding[]> {
    await this.start();
    return [];
  }

  async frozen<Result>(work: () => Promise<Result>): Promise<Result> {
    return work();
  }

  async usage(): Promise<null> {
    return null;
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#cwd = "/workspace";
  }
}
