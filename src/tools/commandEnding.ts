import type { ExecResult } from "../core/ports.ts";

/** How a command ended, in a line for the model. */
export function commandEnding(result: ExecResult, timeoutMs: number): string {
  const memory =
    result.outOfMemory === true ? " The sandbox ran out of memory, so a process was killed." : "";
  const cut = `${memory}${result.truncated ? " Output was cut; all of it is kept." : ""}`;
  switch (result.status) {
    case "exited":
      return `[exit ${result.exitCode ?? "unknown"}, in ${result.cwd}]${cut}`;
    case "timedOut":
      return `[stopped after ${timeoutMs / 1000} s; its processes were ended and the shell goes on]${cut}`;
    case "cancelled":
      return `[cancelled]${cut}`;
    case "shellDied":
      return `[the shell ended (exit ${result.exitCode ?? "unknown"}); this command is not run again, and the next one gets a new shell in /workspace]${cut}`;
  }
}
