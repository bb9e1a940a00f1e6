import * as z from "zod";
import { canonical } from "./canonical.ts";
import type { Flow } from "./flow.ts";
import { Spot } from "./spot.ts";
import { Parked } from "./recordedWait.ts";
import {
  jsonValue,
  toolOutput,
  type Decision,
  type ModelReply,
  type ToolCall,
  type ToolOutput,
} from "./records.ts";
import { stepName } from "./replay.ts";
import type { StepSpec } from "./step.ts";
import type { PreparedCall, Tool } from "./tool.ts";
import type { TurnContext } from "./turn.ts";
import { approval, text } from "./waits.ts";

/** One call of a reply: its place in the flow, what will run, and what the model said beside it. */
interface Asked {
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

/** What runs a call: a branch of the flow, and the call before it that shares its shell and files. */
interface Branch {
  readonly flow: Flow;
  /** Null when no earlier call changes the workspace. */
  readonly before: Spot<Flow> | null;
}

type Runs = Extract<PreparedCall, { kind: "run" }>;

/**
 * Runs the calls of one answer side by side and adds one result for each, in the order of the
 * calls. Those that change the workspace share one shell and one tree, and keep their order.
 */
export async function answerCalls(
  context: TurnContext,
  turn: number,
  reply: ModelReply,
): Promise<void> {
  const asked = await inspect(context, turn, reply);
  const changing = asked.filter(({ prepared }) => changes(prepared));
  await context.spending.beforeCommands(changing[0]?.id ?? "", changing.length);
  let last: Spot<Flow> | null = null;
  const branches = asked.map((one) => {
    const spot = new Spot(last);
    if (inLane(one.prepared)) last = spot;
    return async (flow: Flow): Promise<ToolOutput> => {
      try {
        const output = await runCall(context, one, { flow, before: spot.before });
        spot.pass(flow);
        return output;
      } catch (error) {
        spot.leave(null);
        throw error;
      }
    };
  });
  const outputs = await context.flow.parallel(branches);
  for (const [index, output] of outputs.entries()) {
    const one = asked[index];
    if (one === undefined) continue;
    context.spending.afterCall(`${one.call.tool} ${one.digest}`, output);
    const checkpoint = keeping(context, one).checkpoint ?? true;
    const message = { role: "tool" as const, callId: one.call.id, text: output.text };
    context.conversation.add(message, { step: one.id, checkpoint });
  }
}

/** Checks every call before one of them runs, in order: what is asked here is asked one by one. */
async function inspect(
  context: TurnContext,
  turn: number,
  reply: ModelReply,
): Promise<readonly Asked[]> {
  const asked: Asked[] = [];
  const taken = new Set<string>();
  for (const call of reply.toolCalls) {
    let name = stepName(call.id);
    while (taken.has(name)) name = `${name}_`;
    taken.add(name);
    const id = `turn/${turn}/tool/${name}`;
    const tool = context.tools.get(call.tool);
    const place = context.flow.nextId(id);
    const input = context.flow.inputFor({ id: place, name: call.tool }, null);
    const used = input === null ? call : { ...call, args: JSON.stringify(input) };
    const prepared = prepare(context, used);
    const what = prepared.kind === "run" ? prepared.what : call.tool;
    const digest = context.world.digest(canonicalArgs(used.args));
    const wanted = await context.spending.beforeCall(place, `${call.tool} ${digest}`, what);
    asked.push({ id, call, tool, prepared, digest, reason: reply.text, wanted });
  }
  return asked;
}

function prepare({ tools }: TurnContext, call: ToolCall): Asked["prepared"] {
  const tool = tools.get(call.tool);
  if (tool !== undefined) return tool.prepare(call);
  const names = [...tools.keys()].join(", ");
  return { kind: "refused", text: `There is no tool "${call.tool}". There are: ${names}.` };
}

/** What goes wrong here is told to the model, not thrown: it can try something else. */
async function runCall(context: TurnContext, asked: Asked, branch: Branch): Promise<ToolOutput> {
  const { call, prepared } = asked;
  if (prepared.kind === "refused") return told(context, asked, branch, prepared.text);
  if (!asked.wanted) {
    const words =
      "This call failed the same way before, and it was not run again. Try another way.";
    return told(context, asked, branch, words);
  }
  switch (context.policy(call.tool)) {
    case "deny":
      return deny(context, asked, branch, `The profile denies ${call.tool}. Nothing ran.`);
    case "ask": {
      const answer = await approve(context, asked, branch, prepared);
      if (!answer.approved) {
        const note = answer.note === "" ? "no reason given" : answer.note;
        const refused = `The operator rejected this call: ${note}. Nothing ran.`;
        return told(context, asked, branch, refused);
      }
      break;
    }
    case "allow":
      break;
  }
  return prepared.kind === "question"
    ? ask(context, asked, branch, prepared)
    : execute(context, asked, branch, prepared);
}

/** A result that comes from us and not from a tool; recorded, so that people see it too. */
async function told(
  context: TurnContext,
  asked: Asked,
  { flow }: Branch,
  words: string,
): Promise<ToolOutput> {
  return flow.step(asked.id, callSpec(context, asked), async () => ({ text: words, ok: false }));
}

async function deny(
  context: TurnContext,
  asked: Asked,
  { flow }: Branch,
  words: string,
): Promise<ToolOutput> {
  const data = { denied: true };
  return flow.step(asked.id, callSpec(context, asked), async () => ({
    text: words,
    ok: false,
    data,
  }));
}

async function approve(
  context: TurnContext,
  asked: Asked,
  { flow }: Branch,
  prepared: PreparedCall,
): Promise<Decision> {
  const { tool } = asked.call;
  const { backend, image } = context.spec.sandbox;
  const where =
    image === null ? `the ${backend} sandbox` : `the ${backend} sandbox, image ${image}`;
  const what = prepared.kind === "run" ? prepared.what : prepared.question;
  const { args } = prepared;
  const subject = { kind: "tool" as const, tool, args, what, where, reason: asked.reason };
  const answer = await flow.wait(
    `${asked.id}/approval`,
    approval(`Run ${tool}?`, subject, timed(context)),
  );
  if (answer.ended === null) return answer.value;
  return {
    approved: false,
    note: answer.ended === "expired" ? "nobody answered in time" : "the question was taken back",
  };
}

/** Always a wait at flow scope, never inside a step: nothing runs while it is open. */
async function ask(
  context: TurnContext,
  asked: Asked,
  branch: Branch,
  prepared: Extract<PreparedCall, { kind: "question" }>,
): Promise<ToolOutput> {
  if (context.spec.profile.unattended) {
    const words = "Nobody is there to answer. Decide yourself, and say so.";
    return deny(context, asked, branch, words);
  }
  const { question, choices } = prepared;
  const answer = await branch.flow.wait(
    `${asked.id}/answer`,
    text(question, { choices, ...timed(context) }),
  );
  const output: ToolOutput =
    answer.ended === null
      ? { text: `The operator answered: ${answer.value}`, ok: true }
      : { text: "The operator does not answer this. Go on without it, or stop.", ok: false };
  return branch.flow.step(asked.id, callSpec(context, asked), async () => output);
}

async function execute(
  context: TurnContext,
  asked: Asked,
  { flow, before }: Branch,
  prepared: Runs,
): Promise<ToolOutput> {
  const { workspace, signal } = context;
  const { effect, what } = prepared;
  const { commandTimeoutMs: timeoutMs } = context.spec.profile;
  const spec: StepSpec<ToolOutput> = {
    ...callSpec(context, asked),
    ...keeping(context, asked),
    what,
    sent: prepared.args,
    skipped: {
      text: "It may have happened; the operator chose not to repeat it.",
      ok: false,
    },
    missing: { text: "The recording has no result for this call. Nothing ran.", ok: false },
    observe: async (operation) => prepared.observe(operation),
  };
  const run = async (operation: string): Promise<ToolOutput> =>
    prepared.run({ signal, timeoutMs, operation });
  if (effect === "none" || effect === "external") {
    return flow.step(asked.id, { ...spec, effect }, async (at) => run(at.operation));
  }
  if (!(await flow.follow(before))) throw new Parked([]);
  await workspace.ready(flow);
  const inputs = { ...spec.inputs, tree: workspace.tree };
  if (effect === "reads") {
    return flow.step(asked.id, { ...spec, inputs }, async (at) =>
      workspace.look(async () => run(at.operation)),
    );
  }
  const output = await flow.step(asked.id, { ...spec, inputs, effect }, async (at) =>
    workspace.change(async () => run(at.operation)),
  );
  workspace.tree = output.tree ?? workspace.tree;
  return output;
}

function timed({ spec }: TurnContext): { readonly deadlineMs?: number } {
  const { answerWithinMs } = spec.profile;
  return answerWithinMs === null ? {} : { deadlineMs: answerWithinMs };
}

function callSpec(context: TurnContext, { call, digest }: Asked): StepSpec<ToolOutput> {
  const { spec } = context;
  const inputs = {
    args: digest,
    schema: context.schemas.get(call.tool) ?? "none",
    sandbox: spec.sandbox.digest,
    skills: spec.skills?.digest ?? "none",
  };
  return { kind: "tool", label: call.tool, inputs, output: toolOutput, cache: spec.profile.cache };
}

/** How a call is kept: as the profile says for its tool, else as the tool itself says. */
function keeping(context: TurnContext, { call, tool }: Asked) {
  return { ...tool?.keep, ...context.spec.profile.keep[call.tool] };
}

function changes(prepared: Asked["prepared"]): boolean {
  return prepared.kind === "run" && prepared.effect !== "none" && prepared.effect !== "reads";
}

function inLane(prepared: Asked["prepared"]): boolean {
  return prepared.kind === "run" && ["workspace", "reads"].includes(prepared.effect);
}

/** The same key for the same arguments, however the model spaced or ordered them. */
function canonicalArgs(args: string): string {
  try {
    return canonical(jsonValue.parse(JSON.parse(args)));
  } catch {
    return args;
  }
}

/** True for a result that says that policy denied the call. */
export function isDenial(output: ToolOutput): boolean {
  return z.object({ denied: z.literal(true) }).safeParse(output.data).success;
}
