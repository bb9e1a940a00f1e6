import type { KeptEntry } from "../core/audit.ts";
import { plain } from "./plain.ts";

/** One entry as a person reads it: when, what, where, with which outcome, by whom. Further lines of its text are set in. */
export function printAudit({ at, kind, session, step, what, outcome, by }: KeptEntry): string {
  const where = [session, step].filter((part) => part !== null).join(" ");
  const head = `${timeOf(at)}  ${kind.padEnd(8)}  ${where}`.trimEnd();
  const who = by === null ? "" : ` by ${by.user} (${by.surface})`;
  const end = outcome === null ? "" : ` → ${outcome}`;
  return plain(`${head}\n      ${`${what}${end}${who}`.replaceAll("\n", "\n      ")}\n`);
}

/** A clock may have been set to anything. */
function timeOf(at: number): string {
  const time = new Date(at);
  return Number.isNaN(time.getTime()) ? "(no time)" : `${time.toISOString().slice(0, 19)}Z`;
}
