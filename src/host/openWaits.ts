import type { SessionRecord } from "../core/records.ts";
import type { OpenWait } from "../core/replay.ts";

/** The open waits of a session, without the whole view of it: asked for at every record. */
export function openWaitsOf(records: readonly SessionRecord[]): readonly OpenWait[] {
  const open = new Map<string, OpenWait>();
  let over = false;
  for (const record of records) {
    if (record.kind === "wait.opened") open.set(record.wait, record);
    else if (record.kind === "wait.answered") open.delete(record.wait);
    else if (record.kind === "session.ended") over = true;
    else if (record.kind === "session.resumed") over = false;
  }
  return over ? [] : [...open.values()];
}
