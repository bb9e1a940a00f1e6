import * as z from "zod";
import { canonical } from "./canonical.ts";
import { stepName } from "./replay.ts";
import { CairnError } from "./errors.ts";
import type { Flow, StepSpec } from "./flow.ts";
import type { Message, Model, World } from "./ports.ts";
import {
  decision,
  jsonValue,
  modelReply,
  toolOutput,
  type Decision,
  type ModelReply,
  type SessionSpec,
  type ToolCall,
  type ToolOutput,
  type Verdict,
} from "./records.ts";
import type { PreparedCall, Tool } from "./tool.ts";
import type { Workspace } from "./workspace.ts";

export interface TurnContext {
  readonly flow: Flow;
  readonly world: World;
  readonly spec: SessionSpec;
  readonly model: Model;
  readonly tools: ReadonlyMap<string, Tool>;
  readonly policy: (tool: string) => Verdict;
  readonly workspace: Workspace;
  readonly signal: AbortSignal;
}

export interface TurnsResult {
  readonly text: string;
  readonly denied: number;
}

const maxModelAttempts = 3;
/** The request leaves before the copy starts to read the disk. */
const copyAfterMs = 25;

/**
 * Calls the model and its tools until the model asks for no more tools. A turn is one answer of
 * the model with the calls that it asked for. Throws `Parked` at a wait, and what a step throws.
 */
export async function runTurns(context: TurnContext): Promise<TurnsResult> {
  const { spec, world } = context;
  const tools = [...context.tools.values()].map((tool) => tool.describe);
  const toolsDigest = world.digest(JSON.stringify(tools));
  const conversation = new Conversation(world, [
    { role: "system", text: spec.profile.instructions },
    { role: "user", text: spec.goal },
  ]);
  let denied = 0;
  for (let turn = 1; turn <= spec.profile.maxTurns; turn += 1) {
    const reply = await context.flow.step(
      `turn/${turn}/model`,
      {
        kind: "model",
        name: spec.model.name,
        inputs: { model: spec.model.url, tools: toolsDigest, messages: conversation.digest },
        output: modelReply,
        attempts: maxModelAttempts,
      },
      async () => {
        const pending = context.model.reply(
          { messages: conversation.messages, tools },
          context.signal,
        );
        // The copy is made while the model thinks for the first time; nothing has changed it yet.
        if (turn === 1) context.workspace.prepare(world.sleep(copyAfterMs, context.signal));
        return pending;
      },
    );
    conversation.add({ role: "assistant", text: reply.text, toolCalls: reply.toolCalls });
    if (reply.finishReason === "contentFilter") {
      throw new CairnError(
        "model.rejected",
        "The provider's content filter stopped the answer. Rephrase the goal and start again.",
      );
    }
    if (reply.toolCalls.length === 0 && reply.finishReason !== "length") {
      return { text: reply.text, denied };
    }
    denied += await answerCalls(context, turn, reply, conversation);
  }
  return {
    text: `Stopped after ${spec.profile.maxTurns} turns, the limit of the profile ${spec.profile.name}.`,
    denied,
  };
}

/** One result for every call, in the order of the calls; returns how many were denied. */
async function answerCalls(
  context: TurnContext,
  turn: number,
  reply: ModelReply,
  conversation: Conversation,
): Promise<number> {
  if (reply.toolCalls.length === 0) {
    conversation.add({
      role: "user",
      text: "Your answer was cut off at the length limit. Go on from where it stopped, more briefly.",
    });
  }
  let denied = 0;
  for (const call of reply.toolCalls) {
    const id = `turn/${turn}/tool/${stepName(call.id)}`;
    const output = await runCall(context, { id, call, reason: reply.text });
    if (isDenial(output)) denied += 1;
    conversation.add({ role: "tool", callId: call.id, text: output.text });
  }
  return denied;
}

/** One call of a reply: its place in the flow, and what the model said beside it. */
interface Asked {
  readonly id: string;
  readonly call: ToolCall;
  readonly reason: string;
}

/** What goes wrong here is told to the model, not thrown: it can try something else. */
async function runCall(context: TurnContext, asked: Asked): Promise<ToolOutput> {
  const { call } = asked;
  const tool = context.tools.get(call.tool);
  if (tool === undefined) {
    const names = [...context.tools.keys()].join(", ");
    return told(context, asked, `There is no tool "${call.tool}". There are: ${names}.`);
  }
  const prepared = tool.prepare(call);
  if (prepared.kind === "refused") return told(context, asked, prepared.text);
  switch (context.policy(call.tool)) {
    case "deny":
      return deny(context, asked, `The profile denies ${call.tool}. Nothing ran.`);
    case "ask": {
      const answer = await approval(context, asked, prepared);
      if (!answer.approved) {
        const note = answer.note === "" ? "no reason given" : answer.note;
        return told(context, asked, `The operator rejected this call: ${note}. Nothing ran.`);
      }
      break;
    }
    case "allow":
      break;
  }
  return prepared.kind === "question"
    ? ask(context, asked, prepared)
    : execute(context, asked, prepared);
}

/** A result that comes from us and not from a tool; recorded, so that people see it too. */
async function told(context: TurnContext, asked: Asked, text: string): Promise<ToolOutput> {
  return context.flow.step(asked.id, callSpec(context, asked), async () => ({ text, ok: false }));
}

async function deny(context: TurnContext, asked: Asked, text: string): Promise<ToolOutput> {
  return context.flow.step(asked.id, callSpec(context, asked), async () => ({
    text,
    ok: false,
    data: { denied: true },
  }));
}

async function approval(
  context: TurnContext,
  asked: Asked,
  prepared: PreparedCall,
): Promise<Decision> {
  const { tool } = asked.call;
  const { backend, image } = context.spec.sandbox;
  const where =
    image === null ? `the ${backend} sandbox` : `the ${backend} sandbox, image ${image}`;
  const what = prepared.kind === "run" ? prepared.what : prepared.question;
  return context.flow.wait(`${asked.id}/approval`, decision, async () => ({
    kind: "approval",
    question: `Run ${tool}?`,
    subject: { kind: "tool", tool, args: prepared.args, what, where, reason: asked.reason },
  }));
}

/** Always a wait at flow scope, never inside a step: nothing runs while it is open. */
async function ask(
  context: TurnContext,
  asked: Asked,
  prepared: Extract<PreparedCall, { kind: "question" }>,
): Promise<ToolOutput> {
  if (context.spec.profile.unattended) {
    return deny(context, asked, "Nobody is there to answer. Decide yourself, and say so.");
  }
  const { question, choices } = prepared;
  const answer = await context.flow.wait(`${asked.id}/answer`, z.string().min(1), async () => ({
    kind: "question",
    question,
    subject: { kind: "question", question, choices: [...choices] },
  }));
  return context.flow.step(asked.id, callSpec(context, asked), async () => ({
    text: `The operator answered: ${answer}`,
    ok: true,
  }));
}

async function execute(
  context: TurnContext,
  asked: Asked,
  prepared: Extract<PreparedCall, { kind: "run" }>,
): Promise<ToolOutput> {
  const { flow, workspace, signal } = context;
  const spec = callSpec(context, asked);
  const run = async (operation: string): Promise<ToolOutput> =>
    prepared.run({ signal, timeoutMs: context.spec.profile.commandTimeoutMs, operation });
  const { effect, what } = prepared;
  const skipped: ToolOutput = {
    text: "It may have happened; the operator chose not to repeat it.",
    ok: false,
  };
  switch (effect) {
    case "none":
      return flow.step(asked.id, spec, async () => run(""));
    case "external":
      return flow.act(asked.id, { ...spec, effect, what, skipped }, run);
    case "workspace": {
      await workspace.ready(flow);
      const inputs = { ...spec.inputs, tree: workspace.tree };
      const output = await flow.act(
        asked.id,
        { ...spec, inputs, effect, what, skipped },
        async (operation) => workspace.change(async () => run(operation)),
      );
      workspace.tree = output.tree ?? workspace.tree;
      return output;
    }
  }
}

function callSpec(context: TurnContext, asked: Asked): StepSpec<ToolOutput> {
  const { world, spec } = context;
  const inputs = {
    args: world.digest(canonicalArgs(asked.call.args)),
    sandbox: spec.sandbox.digest,
    skills: spec.skills?.digest ?? "none",
  };
  return { kind: "tool", name: asked.call.tool, inputs, output: toolOutput };
}

/** The same key for the same arguments, however the model spaced or ordered them. */
function canonicalArgs(args: string): string {
  try {
    return canonical(jsonValue.parse(JSON.parse(args)));
  } catch {
    return args;
  }
}

function isDenial(output: ToolOutput): boolean {
  return z.object({ denied: z.literal(true) }).safeParse(output.data).success;
}

/** The messages so far, with a digest that costs one message a message and not the whole history. */
class Conversation {
  readonly #world: World;
  readonly #messages: Message[] = [];
  #digest = "";

  constructor(world: World, messages: readonly Message[]) {
    this.#world = world;
    for (const message of messages) this.add(message);
  }

  get messages(): readonly Message[] {
    return this.#messages;
  }

  get digest(): string {
    return this.#digest;
  }

  add(message: Message): void {
    this.#messages.push(message);
    this.#digest = this.#world.digest(`${this.#digest}\n${JSON.stringify(message)}`);
  }
}
