import { applyOutput } from "./apply.ts";
import { canonical } from "./canonical.ts";
import type { World } from "./ports.ts";
import { toolOutput, type SessionRecord, type SessionSpec, type ToolOutput } from "./records.ts";
import type { Profile } from "./profileRecord.ts";
import { requestWords } from "./egressWords.ts";
import { whyDenied } from "./permit.ts";
import { keyOf, refusedIn } from "./refusedRequests.ts";

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

/** Something that was not done because of a rule, a profile, or because nobody was there to ask. */
export interface Denial {
  /** Id of the step, or of the wait. */
  readonly id: string;
  readonly what: string;
  readonly why: string;
}

/** What was denied, each once however often it was come by. */
export function denials(records: readonly SessionRecord[]): readonly Denial[] {
  const denied = new Map<string, Denial>();
  const asked = new Map<string, string>();
  for (const record of records) {
    if (record.kind === "wait.opened") asked.set(record.wait, record.question);
    if (record.kind === "wait.answered" && record.by.surface === "policy") {
      const { wait: id, ended } = record;
      const what = asked.get(id) ?? id;
      if (ended !== undefined) denied.set(id, { id, what, why: "Nobody is there to answer." });
    }
    if (record.kind !== "step.completed" || record.stepKind !== "tool") continue;
    const output = toolOutput.safeParse(record.output);
    const why = output.success ? whyDenied(output.data) : null;
    const { step: id, name: what } = record;
    if (why !== null) denied.set(id, { id, what, why });
    for (const one of output.success ? deniedRequests(id, output.data) : []) {
      denied.set(one.id, one);
    }
  }
  return [...denied.values()];
}

/** Requests of a command that were denied, those to one host by one method once. */
function deniedRequests(step: string, output: ToolOutput): readonly Denial[] {
  const denied = new Map<string, Denial>();
  for (const { request, verdict, why } of refusedIn(output)) {
    if (verdict !== "deny" || request === null || denied.has(keyOf(request))) continue;
    const id = `${step}/egress/${denied.size + 1}`;
    denied.set(keyOf(request), { id, what: requestWords(request), why });
  }
  return [...denied.values()];
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

/** Something that was asked of a session beside its flow, under the id of its step. */
export interface Asked {
  readonly kind: "apply" | "undo";
  readonly id: string;
}

/** The apply or undo that was asked for and has not ended, or null. */
export function pendingRequest(records: readonly SessionRecord[]): Asked | null {
  const asked = { apply: 0, undo: 0 };
  let pending: Asked | null = null;
  for (const record of records) {
    if (record.kind === "session.ended") pending = null;
    if (record.kind !== "session.resumed") continue;
    const { reason } = record;
    if (reason !== "apply" && reason !== "undo") continue;
    asked[reason] += 1;
    pending = { kind: reason, id: `${reason}/${asked[reason]}` };
  }
  return pending;
}

/** Whether a step belongs to the session's flow: what is asked for beside it is no part of it. */
export function isOfFlow(id: string): boolean {
  return !/^(apply|undo)\/\d+(\/|$)/.test(id);
}

/** Something that was written into the folder, and what it replaced there. */
export interface Written {
  readonly what: "apply" | "undo";
  /** Id of its step. */
  readonly of: string;
  readonly base: string;
  readonly tree: string;
  readonly paths: readonly string[];
}

/**
 * What can be taken back, the newest first: applies to this folder that were not yet, and what an
 * undo did to files that the user had changed.
 */
export function standing(records: readonly SessionRecord[]): readonly Written[] {
  const found: Written[] = [];
  for (const record of records) {
    if (record.kind !== "step.completed" || record.stepKind !== "apply") continue;
    // What a replay was served was written by another session.
    if (record.via === "replay") continue;
    const output = applyOutput.safeParse(record.output).data;
    if (output === undefined) continue;
    const { applied, leftAlone, kept } = output;
    const { base = "", tree = "", of } = record.inputs;
    if (record.name === "write" && applied.length > 0) {
      found.push({ what: "apply", of: record.step, base, tree, paths: applied });
    }
    if (record.name !== "undo") continue;
    const at = found.findIndex((written) => written.of === of);
    const taken = found[at];
    if (taken !== undefined && applied.length > 0) {
      const settled = new Set([...applied, ...leftAlone.map(({ path }) => path)]);
      const paths = taken.paths.filter((path) => !settled.has(path));
      found.splice(at, 1, ...(paths.length === 0 ? [] : [{ ...taken, paths }]));
    }
    if (kept === undefined) continue;
    found.push({ what: "undo", of: record.step, base: kept.tree, tree, paths: kept.paths });
  }
  return found.toReversed();
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
