import type { SessionEntry } from "../core/sessions.ts";
import { firstLine } from "./firstLine.ts";
import { plain } from "./plain.ts";

/** One line of `cairn sessions`. */
export function printEntry(entry: SessionEntry): string {
  const { session, goal, startedAt, readOnly } = entry;
  const when = new Date(startedAt).toISOString().slice(0, 16).replace("T", " ");
  const mark = readOnly ? "  read-only" : "";
  return plain(`${session}  ${state(entry).padEnd(12)} ${when}${mark}  ${firstLine(goal)}\n`);
}

/** Nobody can go on with a session that is to be read, so nothing of it was interrupted. */
function state({ status, held, readOnly }: SessionEntry): string {
  return status === "running" && !held && !readOnly ? "interrupted" : status;
}
