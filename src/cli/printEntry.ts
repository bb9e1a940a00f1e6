import type { SessionEntry } from "../core/sessions.ts";
import { utcTime } from "../core/utcTime.ts";
import { bytesInWords } from "../core/bytesInWords.ts";
import { firstLine } from "./firstLine.ts";
import { plain } from "./plain.ts";

/** One line of `cairn sessions`. */
export function printEntry(entry: SessionEntry, bytes: number | null = null): string {
  const { session, goal, startedAt, readOnly } = entry;
  const when = utcTime(startedAt).replace(/:\d\d UTC$/u, "");
  const mark = readOnly ? "  read-only" : "";
  const size = bytes === null ? "" : bytesInWords(bytes).padStart(10);
  return plain(
    `${session}  ${state(entry).padEnd(12)} ${when}${size}${mark}  ${firstLine(goal)}\n`,
  );
}

/** Nobody can go on with a session that is to be read, so nothing of it was interrupted. */
function state({ status, held, readOnly }: SessionEntry): string {
  return status === "running" && !held && !readOnly ? "interrupted" : status;
}
