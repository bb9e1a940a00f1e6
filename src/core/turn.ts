import { type Compaction, compaction, type Conversation } from "./conversation.ts";
import { CairnError } from "./errors.ts";
import type { Flow } from "./flow.ts";
import type { FlowContext } from "./flowDefinition.ts";
import { contextTokensOf } from "./modelFacts.ts";
import type { Message } from "./ports.ts";
import type { ModelReply } from "./records.ts";
import type { Spending } from "./spending.ts";
import { answerCalls } from "./toolCalls.ts";

/** What one session's turns share. */
export interface TurnContext extends FlowContext {
  readonly conversation: Conversation;
  readonly spending: Spending;
  /** Digests of the tools' descriptions, by name, and of all of them. */
  readonly schemas: ReadonlyMap<string, string>;
  readonly allSchemas: string;
}

/** What goes into keys of the tools, once a run. */
export function schemasOf({
  tools,
  world,
}: FlowContext): Pick<TurnContext, "schemas" | "allSchemas"> {
  const described = [...tools].map(
    ([name, { describe }]) => [name, world.digest(JSON.stringify(describe))] as const,
  );
  const all = [...tools.values()].map((tool) => tool.describe);
  return { schemas: new Map(described), allSchemas: world.digest(JSON.stringify(all)) };
}

/** The request leaves before the copy starts to read the disk. */
const copyAfterMs = 25;
/** Tokens of the window that are left for the answer, at most a quarter of it. */
const answerTokens = 8192;

/**
 * One prompt: calls the model and its tools until the model asks for no more tools, and resolves
 * with its last words. Throws `Parked` at a wait, and what a step throws.
 */
export async function runTurn(context: TurnContext, turn: number, prompt: string): Promise<string> {
  const { conversation, flow, spending } = context;
  conversation.add({ role: "user", text: prompt });
  for (;;) {
    const id = flow.nextId(`turn/${turn}/model`);
    await compact(context, turn);
    await spending.beforeModel(id);
    const reply = await askModel(context, turn);
    spending.afterModel(reply.usage);
    conversation.counted(reply.usage);
    conversation.add(said(reply), { step: id });
    if (reply.finishReason === "contentFilter") {
      throw new CairnError(
        "model.rejected",
        "The provider's content filter stopped the answer. Rephrase the goal and start again.",
      );
    }
    if (reply.toolCalls.length > 0) await answerCalls(context, turn, reply);
    else if (reply.finishReason === "length") conversation.add(goOn);
    else return reply.text;
  }
}

const goOn: Message = {
  role: "user",
  text: "Your answer was cut off at the length limit. Go on from where it stopped, more briefly.",
};

function said(reply: ModelReply): Message {
  return { role: "assistant", text: reply.text, toolCalls: reply.toolCalls };
}

async function askModel(context: TurnContext, turn: number): Promise<ModelReply> {
  const { conversation, flow, spec, model, tools, world, workspace, signal } = context;
  const name = `turn/${turn}/model`;
  const edited = flow.inputFor({ id: flow.nextId(name), name: spec.model.name }, null);
  if (edited !== null) conversation.edit(edited);
  return flow.modelCall(name, {
    model: spec.model.name,
    cache: spec.profile.cache,
    inputs: {
      model: spec.model.url,
      tools: context.allSchemas,
      messages: conversation.digest,
    },
    call: async (asked) => {
      const { messages } = conversation;
      const described = [...tools.values()].map((tool) => tool.describe);
      const pending = model.reply({ model: asked, messages, tools: described }, signal);
      // The copy is made while the model thinks for the first time; nothing has changed it yet.
      if (!conversation.answered && workspace.base === "")
        workspace.prepare(world.sleep(copyAfterMs, signal));
      return pending;
    },
  });
}

/** The window of the model is a budget too: older texts are shortened, by a rule and on record. */
async function compact(context: TurnContext, turn: number): Promise<void> {
  const { conversation, flow, spec } = context;
  const limit = contextTokensOf(spec.model.name, spec.profile);
  const plan = conversation.plan(limit - Math.min(answerTokens, Math.floor(limit / 4)));
  if (plan === null || plan.shortened.length === 0) return;
  conversation.shorten(await recordCompaction(flow, turn, conversation.digest, plan));
}

async function recordCompaction(
  flow: Flow,
  turn: number,
  messages: string,
  plan: Compaction,
): Promise<Compaction> {
  return flow.step(
    `turn/${turn}/compaction`,
    { kind: "compaction", inputs: { messages, rule: "1" }, output: compaction },
    async () => plan,
  );
}
