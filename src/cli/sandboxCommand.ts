import { findingLines } from "../core/findingLines.ts";
import type { Sessions } from "../core/sessions.ts";
import type { Arguments } from "./arguments.ts";
import type { Command } from "./command.ts";
import { exitCodes } from "./exitCodes.ts";
import { jsonLine, plain } from "./plain.ts";
import { usageError } from "./usageError.ts";

type Values = Arguments["values"];

/** `cairn sandbox check` and `cairn sandbox rebuild`. Throws `usage.invalid`. */
export function sandboxCommand({ rest, values }: Arguments): Command {
  const [what = ""] = rest;
  if (what === "check") return async (open) => check(open(), values);
  if (what === "rebuild") return async (open) => rebuild(open(), values);
  throw usageError(`There is no cairn sandbox ${what}. Use: cairn sandbox check, or rebuild`);
}

/** One line a control. The exit code is not 0 when one is broken. */
async function check(sessions: Sessions, { sandbox, json }: Values): Promise<number> {
  const found = await sessions.checkSandbox(sandbox);
  const lines = json
    ? found.findings.map(jsonLine)
    : findingLines(found).map((each) => plain(`${each}\n`));
  process.stdout.write(lines.join(""));
  const broken = found.findings.some(({ verdict }) => verdict === "broken");
  return broken ? exitCodes.failed : exitCodes.done;
}

async function rebuild(sessions: Sessions, { json }: Values): Promise<number> {
  const removed = await sessions.rebuildContainer();
  const gone = removed.length === 0 ? "" : ` ${removed.join(", ")} is removed.`;
  const sentence = `The next session asks for the dev container again.${gone}`;
  process.stdout.write(json ? jsonLine({ removed }) : plain(`${sentence}\n`));
  return exitCodes.done;
}
