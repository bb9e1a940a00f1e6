import * as z from "zod";
import type { Action, CommandPart } from "./action.ts";
import { callQuestion } from "./actionWords.ts";
import { actionOf, requireSame } from "./actionOf.ts";
import { canonical } from "./canonical.ts";
import { CairnError } from "./errors.ts";
import type { Flow } from "./flow.ts";
import type { FlowContext } from "./flowDefinition.ts";
import type { Ruling } from "./ports.ts";
import type { JsonValue, ToolCall, ToolOutput } from "./records.ts";
import type { WaitSubject } from "./waitSubject.ts";
import { runsFiles } from "./runsFiles.ts";
import type { PreparedCall, Tool } from "./tool.ts";
import { approval } from "./waits.ts";

/** One call of a reply: its place in the flow, what will run, and what the model said beside it. */
export interface Asked {
  readonly id: string;
  readonly call: ToolCall;
  readonly tool: Tool | undefined;
  readonly prepared: ReturnType<Tool["prepare"]>;
  /** Digest of the arguments that will be used, as they count for the key. */
  readonly digest: string;
  readonly reason: string;
  /** False when the operator does not want a call that keeps failing once more. */
  readonly wanted: boolean;
}

/** What may become of a call: it goes, or the model is told why it does not. */
export type Permit =
  | { readonly kind: "told"; readonly output: ToolOutput }
  | {
      readonly kind: "goes";
      readonly prepared: PreparedCall;
      /** Exactly what the operator approved; null where rules allow it. */
      readonly approved: Action | null;
      /** The operator approved other arguments than the model gave. */
      readonly edited: boolean;
    };

type ToolSubject = Extract<WaitSubject, { kind: "tool" }>;

/**
 * Decides on a call by the rules as they are now, and asks where they ask. What is on record as
 * asked is not decided again: its answer counts. Throws `Parked` while it is open.
 */
export async function permit(
  context: FlowContext,
  asked: Asked,
  prepared: PreparedCall,
  flow: Flow,
): Promise<Permit> {
  const { tool } = asked.call;
  const name = `${asked.id}/approval`;
  const opened = flow.nextId(name);
  const recorded = flow.openedSubject(opened);
  const action = actionOf(context, tool, prepared, context.workspace.cwd);
  let subject = keptSubject(recorded, tool, prepared);
  if (recorded === null) {
    const ruling = await ruled(context, action);
    if (ruling.verdict === "deny") return { kind: "told", output: denial(ruling.why) };
    if (ruling.verdict === "allow")
      return { kind: "goes", prepared, approved: null, edited: false };
    subject = await freshSubject(context, asked, prepared, { action, ruling });
  }
  const shown = subject ?? (await freshSubject(context, asked, prepared, { action, ruling: null }));
  // What was asked before is asked in the same words, whatever they would be today.
  const question = flow.openedQuestion(opened) ?? callQuestion(action);
  const answer = await flow.wait(name, {
    ...approval(question, shown, timed(context)),
    sameAs: (other) => asksTheSame(other, shown),
  });
  if (answer.ended !== null) {
    const late = answer.ended === "expired";
    return refused(late ? "nobody answered in time" : "the question was taken back");
  }
  const { approved, note, args } = answer.value;
  if (!approved) return refused(note === "" ? "no reason given" : note);
  // What a rule answered was approved by nobody: it goes as the rule allows it.
  if (answer.by.surface === "policy") {
    return { kind: "goes", prepared, approved: null, edited: false };
  }
  const was = shown.action ?? action;
  if (args === undefined) return { kind: "goes", prepared, approved: was, edited: false };
  return edited(context, asked, was, args);
}

/**
 * The last look before a call starts, by the rules and the place as they are then: what must not
 * start, or the parts that it runs as where it may only run as it was read.
 */
export async function lastLook(
  context: FlowContext,
  tool: string,
  { prepared, approved }: Extract<Permit, { kind: "goes" }>,
): Promise<
  | { readonly refused: ToolOutput }
  | { readonly alone: { readonly parts: readonly CommandPart[]; readonly cwd: string } | null }
> {
  const { cwd } = context.workspace;
  const now = actionOf(context, tool, prepared, cwd);
  const ruling = await ruled(context, now);
  if (ruling.verdict === "deny") return { refused: denial(ruling.why) };
  if (approved !== null) {
    const mismatch = mismatchOf(context, approved, now);
    return mismatch === null ? { alone: null } : { refused: { text: mismatch, ok: false } };
  }
  if (ruling.verdict === "ask") {
    const text = `${ruling.why} It was not asked about before. Nothing ran; call it again.`;
    return { refused: { text, ok: false } };
  }
  const { command } = now;
  if (command === undefined || command === null) return { alone: null };
  // What is allowed only because it was read runs as it was read.
  const unread = await ruled(context, { ...now, command: null, risk: "R1" });
  return { alone: unread.verdict === "allow" ? null : { parts: command, cwd } };
}

/** What goes wrong in deciding allows nothing. */
async function ruled({ permissions, spec }: FlowContext, action: Action): Promise<Ruling> {
  try {
    return await permissions.decide(action);
  } catch {
    const verdict = spec.profile.unattended ? "deny" : "ask";
    return { verdict, rule: null, why: "It could not be decided by the rules." };
  }
}

function mismatchOf({ world }: FlowContext, approved: Action, now: Action): string | null {
  try {
    requireSame(world, approved, now);
    return null;
  } catch (error) {
    if (!CairnError.is(error, "approval.mismatch")) throw error;
    return `${error.message} Nothing ran; call it again. [${error.code}]`;
  }
}

/** The result of a call that policy refuses. */
export function denial(why: string): ToolOutput {
  return { text: `${why} Nothing ran.`, ok: false, data: { denied: true, why } };
}

/** Why policy refused a call, by its result; null for every other result. */
export function whyDenied({ data, text }: ToolOutput): string | null {
  const parsed = denied.safeParse(data);
  return parsed.success ? (parsed.data.why ?? text) : null;
}

const denied = z.object({ denied: z.literal(true), why: z.string().optional() });

function refused(why: string): Permit {
  const text = `The operator rejected this call: ${why}. Nothing ran.`;
  return { kind: "told", output: { text, ok: false } };
}

/** The operator's arguments in place of the model's; they were checked when the answer came. */
function edited(context: FlowContext, { call, tool }: Asked, was: Action, args: JsonValue): Permit {
  const prepared = tool?.prepare({ ...call, args: JSON.stringify(args) });
  if (prepared?.kind !== "run") {
    throw new CairnError("wait.invalidAnswer", `${call.tool} does not take the arguments given.`);
  }
  const { place, session } = was;
  const cwd = place.cwd ?? context.workspace.cwd;
  const approved = { ...actionOf(context, call.tool, prepared, cwd), session, place };
  return { kind: "goes", prepared, approved, edited: true };
}

/** What is on record as asked stays what is asked, whatever else is known by now. */
function keptSubject(
  recorded: WaitSubject | null,
  tool: string,
  prepared: PreparedCall,
): ToolSubject | null {
  if (recorded?.kind !== "tool") return null;
  const same =
    recorded.tool === tool &&
    recorded.what === shownLine(prepared) &&
    canonical(recorded.args) === canonical(prepared.args);
  return same ? recorded : null;
}

async function freshSubject(
  { spec, workspace }: FlowContext,
  { call, reason }: Asked,
  prepared: PreparedCall,
  { action, ruling }: { readonly action: Action; readonly ruling: Ruling | null },
): Promise<ToolSubject> {
  const { backend, image } = spec.sandbox;
  const place = `the ${backend} sandbox`;
  const inside = image === null ? place : `${place}, image ${image}`;
  const isCommand = action.command !== undefined;
  const note = runsFiles(action);
  const undo = prepared.kind === "run" ? undoWords[prepared.effect] : "";
  return {
    kind: "tool",
    tool: call.tool,
    args: prepared.args,
    what: shownLine(prepared),
    where: action.service === undefined ? inside : "this machine, outside the sandbox",
    reason,
    action,
    rule: ruling?.rule?.sentence ?? null,
    ...(undo === "" ? {} : { undo }),
    ...(isCommand ? { shell: await workspace.shellDiffers() } : {}),
    ...(note === "" ? {} : { note }),
  };
}

const undoWords = {
  none: "",
  reads: "",
  workspace:
    "It changes the session's own copy only; going back to the step before brings its files back.",
  external: "It cannot be taken back from here.",
} as const;

function shownLine(prepared: PreparedCall): string {
  return prepared.kind === "run" ? prepared.what : prepared.question;
}

/** Whether another session was asked the same: the same call, in the same place. */
function asksTheSame(other: WaitSubject, mine: ToolSubject): boolean {
  return other.kind === "tool" && canonical(essence(other)) === canonical(essence(mine));
}

function essence({ tool, args, what, where, reason, action }: ToolSubject): JsonValue {
  const asked = { tool, args, what, where, reason };
  return action === undefined ? asked : { ...asked, action: { ...action, session: "" } };
}

/** How long a question of this session stays open. */
export function timed({ spec }: Pick<FlowContext, "spec">): { readonly deadlineMs?: number } {
  const { answerWithinMs } = spec.profile;
  return answerWithinMs === null ? {} : { deadlineMs: answerWithinMs };
}
