import { canonical } from "./canonical.ts";
import type { Flow } from "./flow.ts";
import { notRepeated } from "./inDoubt.ts";
import { Spot } from "./spot.ts";
import { Parked } from "./recordedWait.ts";
import { denial, lastLook, permit, timed, type Asked, type Permit } from "./permit.ts";
import {
  jsonValue,
  toolOutput,
  type ModelReply,
  type ToolCall,
  type ToolOutput,
} from "./records.ts";
import { stepName } from "./replay.ts";
import type { StepRun, StepSpec } from "./step.ts";
import type { PreparedCall } from "./tool.ts";
import type { TurnContext } from "./turn.ts";
import { text } from "./waits.ts";

/** What runs a call: a branch of the flow, and the call before it that shares its shell and files. */
interface Branch {
  readonly flow: Flow;
  /** Null when no earlier call changes the workspace. */
  readonly before: Spot<Flow> | null;
}

/** A call that a tool runs, and the word that it may. */
type Running = Asked & { readonly prepared: Extract<PreparedCall, { kind: "run" }> };
type Going = Extract<Permit, { kind: "goes" }>;

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
  const { prepared } = asked;
  if (prepared.kind === "refused") return told(context, asked, branch, prepared.text);
  if (!asked.wanted) {
    const words =
      "This call failed the same way before, and it was not run again. Try another way.";
    return told(context, asked, branch, words);
  }
  if (await isToldOnRecord(context, asked, branch)) {
    return branch.flow.step(asked.id, callSpec(context, asked), async () => {
      throw new Error(`${asked.id} is on record and was not served`);
    });
  }
  const early = await mayDecide(context, asked, branch);
  const permitted = early ? await permit(context, asked, prepared, branch.flow) : null;
  if (permitted?.kind === "told") return give(context, asked, branch, permitted.output);
  return prepared.kind === "question"
    ? ask(context, asked, branch, prepared)
    : execute(context, { ...asked, prepared }, branch, permitted);
}

/** Whether the outcome on record is a word of ours and not of the tool: then nothing is decided. */
async function isToldOnRecord(
  context: TurnContext,
  asked: Asked,
  { flow }: Branch,
): Promise<boolean> {
  const { prepared } = asked;
  const [approval, answer] = waitsOf(asked, flow);
  if (flow.isOpened(approval) || flow.isOpened(answer)) return false;
  if (prepared.kind === "run" && !inLane(prepared)) return false;
  const own = flow.recordedInputs(flow.nextId(asked.id));
  if (own !== null) return !("tree" in own);
  if (!flow.isDerived || flow.wasOpened(approval) || flow.wasOpened(answer)) return false;
  return (await flow.foresee(asked.id, callSpec(context, asked))) === "serves";
}

/**
 * Whether a call is decided on at once, before the calls ahead of it are done: not one that is
 * begun or done on record, and not where it may be served instead of run.
 */
async function mayDecide({ spec }: TurnContext, asked: Asked, { flow }: Branch): Promise<boolean> {
  const [approval] = waitsOf(asked, flow);
  if (flow.isOpened(approval) || flow.wasOpened(approval)) return true;
  if (flow.isBegun(flow.nextId(asked.id))) return false;
  if (asked.prepared.kind === "question") return true;
  return !flow.isDerived && spec.profile.cache !== "workspace";
}

function waitsOf({ id }: Asked, flow: Flow): readonly [approval: string, answer: string] {
  return [flow.nextId(`${id}/approval`), flow.nextId(`${id}/answer`)];
}

/** A result that comes from us and not from a tool; recorded, so that people see it too. */
async function give(
  context: TurnContext,
  asked: Asked,
  { flow }: Branch,
  output: ToolOutput,
): Promise<ToolOutput> {
  return flow.step(asked.id, callSpec(context, asked), async () => output);
}

async function told(
  context: TurnContext,
  asked: Asked,
  branch: Branch,
  words: string,
): Promise<ToolOutput> {
  return give(context, asked, branch, { text: words, ok: false });
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
    return give(context, asked, branch, { ...denial(words), text: words });
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

/** Runs a call that may go, or is decided on where it would run; what is on record or served does not. */
async function execute(
  context: TurnContext,
  asked: Running,
  branch: Branch,
  early: Going | null,
): Promise<ToolOutput> {
  const { flow, before } = branch;
  const { workspace } = context;
  const laned = inLane(asked.prepared);
  if (laned) {
    if (!(await flow.follow(before))) throw new Parked([]);
    await workspace.ready(flow);
  }
  const permitted = early ?? (await lateDecision(context, asked, flow));
  if (permitted?.kind === "told") return give(context, asked, branch, permitted.output);
  const going = permitted ?? {
    kind: "goes" as const,
    prepared: asked.prepared,
    approved: null,
    edited: false,
  };
  if (going.prepared.kind !== "run") throw new Error(`${asked.id} became a question`);
  const run = { ...asked, prepared: going.prepared, digest: digestOf(context, going.prepared) };
  const used = going.edited ? run : asked;
  const spec = runSpec(context, used);
  const { effect } = used.prepared;
  const work = async (at: StepRun): Promise<ToolOutput> => perform(context, used, going, at);
  if (effect === "reads") {
    return flow.step(asked.id, spec, async (at) => workspace.look(async () => work(at)));
  }
  if (effect !== "workspace") {
    return flow.step(asked.id, { ...spec, effect }, work);
  }
  const output = await flow.step(asked.id, { ...spec, effect }, async (at) =>
    workspace.change(async () => work(at)),
  );
  workspace.tree = output.tree ?? workspace.tree;
  return context.leaving.asked({ id: asked.id, what: used.prepared.what }, flow, output);
}

/** Decides on a call that would run now; null for one that is begun, done or served. */
async function lateDecision(
  context: TurnContext,
  asked: Running,
  flow: Flow,
): Promise<Permit | null> {
  if (flow.isBegun(flow.nextId(asked.id))) return null;
  const { effect } = asked.prepared;
  const spec = {
    ...runSpec(context, asked),
    effect: effect === "reads" ? "none" : effect,
  } as const;
  const comes = await flow.foresee(asked.id, spec);
  return comes === "runs" ? permit(context, asked, asked.prepared, flow) : null;
}

/** The last look, and then the tool: what was edited says so, for the model does not know. */
async function perform(
  context: TurnContext,
  { call, prepared }: Running,
  going: Going,
  { operation, leaves }: StepRun,
): Promise<ToolOutput> {
  const looked = await lastLook(context, call.tool, going);
  if ("refused" in looked) return looked.refused;
  const { signal } = context;
  const { commandTimeoutMs: timeoutMs } = context.spec.profile;
  const alone = looked.alone === null ? {} : { alone: looked.alone };
  const run = async (): Promise<ToolOutput> =>
    prepared.run({ signal, timeoutMs, operation, ...alone });
  const output = await (prepared.command === undefined
    ? run()
    : context.leaving.around(run, leaves));
  if (!going.edited) return output;
  const words = `[The operator changed this call before approving it. What ran: ${JSON.stringify(prepared.args)}]`;
  return { ...output, text: `${words}\n${output.text}` };
}

function runSpec(context: TurnContext, asked: Running): StepSpec<ToolOutput> {
  const { prepared } = asked;
  const spec = callSpec(context, asked);
  const tree = inLane(prepared) ? { tree: context.workspace.tree } : {};
  return {
    ...spec,
    ...keeping(context, asked),
    inputs: { ...spec.inputs, ...tree },
    what: prepared.what,
    sent: prepared.args,
    skipped: notRepeated,
    missing: { text: "The recording has no result for this call. Nothing ran.", ok: false },
    observe: async (operation) => prepared.observe(operation),
  };
}

function digestOf({ world }: TurnContext, { args }: PreparedCall): string {
  return world.digest(canonical(args));
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
