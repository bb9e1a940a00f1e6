import type { SessionStatus } from "../core/records.ts";
import { viewOf, type SessionView } from "../core/replay.ts";
import { denials } from "../core/sessionFacts.ts";
import type { Run, Sessions } from "../core/sessions.ts";
import { exitCodes } from "./exitCodes.ts";
import { nextCommands } from "./nextCommands.ts";
import { plain } from "./plain.ts";
import { totals } from "./totals.ts";

/** Drives a run to its end, its next wait or the first Ctrl+C, and says what to do then. Resolves with the exit code. */
export async function follow(
  sessions: Sessions,
  run: Run,
  { workspace, json }: { readonly workspace: string; readonly json: boolean },
): Promise<number> {
  const interrupt = (): void => void sessions.stop(run.session);
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  const status = await run.done;
  const records = await sessions.records(run.session);
  const view = viewOf(records);
  if (!json && view.ended !== null) {
    for (const { id, what, why } of denials(records)) {
      process.stdout.write(plain(`denied: ${id}, ${what}: ${why}\n`));
    }
  }
  if (!json) {
    const hints = [totals(view), ...nextCommands(status, records, workspace)];
    for (const hint of hints.filter(Boolean)) process.stderr.write(plain(`${hint}\n`));
  }
  return codeOf(status, view);
}

function codeOf(status: SessionStatus, { ended }: SessionView): number {
  switch (status) {
    case "completed":
      return (ended?.denied ?? 0) > 0 ? exitCodes.denied : exitCodes.done;
    case "waiting":
      return exitCodes.waiting;
    case "running":
    case "failed":
    case "cancelled":
      return exitCodes.failed;
  }
}
