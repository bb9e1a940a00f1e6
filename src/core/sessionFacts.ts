import { canonical } from "./canonical.ts";
import type { World } from "./ports.ts";
import { toolOutput, type Profile, type SessionRecord, type SessionSpec } from "./records.ts";
import { isDenial } from "./toolCalls.ts";

/** Milliseconds that a session was driven: time that it waited or was interrupted is left out. */
export function activeMs(records: readonly SessionRecord[], now: number): number {
  let sum = 0;
  let since: number | null = null;
  for (const record of records) {
    const idle = record.kind === "session.resumed" || record.kind === "wait.answered";
    if (since !== null && !idle) sum += Math.max(0, record.at - since);
    const rests =
      record.kind === "wait.opened" ||
      record.kind === "session.parked" ||
      record.kind === "session.ended";
    since = rests ? null : record.at;
  }
  return since === null ? sum : sum + Math.max(0, now - since);
}

/** How many calls were denied, each once however often it was come by. */
export function denials(records: readonly SessionRecord[]): number {
  const denied = new Set<string>();
  for (const record of records) {
    if (record.kind !== "step.completed" || record.stepKind !== "tool") continue;
    const output = toolOutput.safeParse(record.output);
    if (output.success && isDenial(output.data)) denied.add(record.step);
  }
  return denied.size;
}

/** Whether the model knows of a shell: a command ran in one. */
export function hadShell(records: readonly SessionRecord[]): boolean {
  return records.some(
    (record) =>
      record.kind === "step.completed" &&
      record.stepKind === "tool" &&
      toolOutput.safeParse(record.output).data?.tree !== undefined,
  );
}

/** Whether the newest word on a wait is an answer. */
export function isAnswered(records: readonly SessionRecord[], wait: string): boolean {
  const last = records.findLast((record) => "wait" in record && record.wait === wait);
  return last?.kind === "wait.answered";
}

/** The id of an apply that was asked for and has not ended, or null. */
export function pendingApply(records: readonly SessionRecord[]): string | null {
  let asked = 0;
  let pending = false;
  for (const record of records) {
    if (record.kind === "session.ended") pending = false;
    if (record.kind !== "session.resumed" || record.reason !== "apply") continue;
    asked += 1;
    pending = true;
  }
  return pending ? `apply/${asked}` : null;
}

const digests = new WeakMap<Profile, string>();

/** What a profile means, as far as a session depends on it. */
export function profileDigest(world: World, { profile }: SessionSpec): string {
  const known = digests.get(profile);
  if (known !== undefined) return known;
  const digest = world.digest(canonical(profile));
  digests.set(profile, digest);
  return digest;
}
