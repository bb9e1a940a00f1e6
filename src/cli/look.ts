import { readFile } from "node:fs/promises";
import { suggestedAnswer } from "../core/answerText.ts";
import { viewOf } from "../core/replay.ts";
import type { Sessions } from "../core/sessions.ts";
import type { Arguments, Values } from "./arguments.ts";
import { exitCodes } from "./exitCodes.ts";
import { jsonLine, plain } from "./plain.ts";
import { printEntry } from "./printEntry.ts";
import { printExplanation } from "./printExplanation.ts";
import { printRecord } from "./printRecord.ts";
import { changeLines } from "../core/subjectLines.ts";
import { totals } from "./totals.ts";
import type { VerbOf } from "./verbs.ts";

/** Commands that only look. Resolves with the exit code. */
export async function look(
  sessions: Sessions,
  { verb, rest, values }: Arguments & { readonly verb: VerbOf<"look"> },
): Promise<number> {
  const [session = "", step = "", to = ""] = rest;
  switch (verb) {
    case "sessions":
      await listSessions(sessions, values);
      break;
    case "show":
      await show(sessions, session, values.json);
      break;
    case "log":
      await printLog(await sessions.runtimeLog(session));
      break;
    case "diff":
      for (const change of await sessions.diff(session, step, to)) {
        const text = changeLines(change).join("\n");
        process.stdout.write(values.json ? jsonLine(change) : plain(`${text}\n`));
      }
      break;
    case "explain": {
      const explanation = await sessions.explain(session, step);
      process.stdout.write(values.json ? jsonLine(explanation) : printExplanation(explanation));
      break;
    }
  }
  return exitCodes.done;
}

async function listSessions(sessions: Sessions, { json, sizes }: Values): Promise<void> {
  const bytes = sizes ? await sessions.sizes() : null;
  for (const entry of await sessions.list()) {
    const size = bytes === null ? null : (bytes.get(entry.session) ?? 0);
    if (!json) {
      process.stdout.write(printEntry(entry, size));
      continue;
    }
    const waits =
      entry.status === "waiting"
        ? viewOf(await sessions.records(entry.session)).openWaits.map((open) => ({
            wait: open.wait,
            kind: open.waitKind,
            suggested: suggestedAnswer(open),
          }))
        : [];
    const sized = size === null ? {} : { bytes: size };
    process.stdout.write(jsonLine({ ...entry, waits, ...sized }));
  }
  for (const { session, reason } of await sessions.problems()) {
    process.stderr.write(plain(`${session}  unreadable: ${reason}\n`));
  }
}

async function show(sessions: Sessions, session: string, json: boolean): Promise<void> {
  const records = await sessions.records(session);
  for (const record of records) {
    process.stdout.write(json ? jsonLine(record) : printRecord(record));
  }
  const paid = totals(viewOf(records));
  if (!json && paid !== "") process.stdout.write(plain(`${paid}\n`));
}

async function printLog(files: readonly string[]): Promise<void> {
  if (files.length === 0) process.stderr.write("Its sandbox never ran.\n");
  for (const file of files) process.stdout.write(plain(await readFile(file, "utf8")));
}
