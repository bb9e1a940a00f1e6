import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { ExecResult, ExecStatus, Log } from "../core/ports.ts";
import { CommandOutput, type OutputLimits } from "./commandOutput.ts";

export interface Surroundings {
  /** Where output that is too long goes: one directory, seen from the host and from inside. */
  readonly logs: { readonly host: string; readonly inside: string };
  readonly log: Log;
  readonly limits?: OutputLimits;
}

/** How a command ended, apart from what it wrote. */
export interface Ending {
  readonly status: ExecStatus;
  readonly exitCode: number | null;
  readonly cwd: string;
}

const longestCommand = 2_000;
const words: Readonly<Record<ExecStatus, string>> = {
  exited: "exit",
  timedOut: "timed out",
  cancelled: "cancelled",
  shellDied: "shell ended with exit",
};

/** What every backend does around a command: the lines in the log, its output, its duration. */
export async function runCommand(
  shown: string,
  { logs, log, limits }: Surroundings,
  run: (output: CommandOutput) => Promise<Ending>,
): Promise<ExecResult> {
  log(`$ ${shown.length > longestCommand ? `${shown.slice(0, longestCommand)}…` : shown}`);
  const startedAt = performance.now();
  const name = `output-${randomUUID()}.log`;
  const output = new CommandOutput(join(logs.host, name), limits);
  const ending = await run(output).finally(() => output.close());
  const stdout = output.stdout.bytes();
  const stderr = output.stderr.bytes();
  const exit = ending.exitCode === null ? "" : ` ${ending.exitCode}`;
  const chars = stdout.length + stderr.length;
  log(`→ ${words[ending.status]}${exit}, ${chars} chars, cwd ${ending.cwd}`);
  return {
    ...ending,
    stdout,
    stderr,
    durationMs: performance.now() - startedAt,
    truncated: output.truncated,
    fullOutput: output.onDisk ? `${logs.inside}/${name}` : null,
  };
}
