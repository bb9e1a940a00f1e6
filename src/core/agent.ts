import * as z from "zod";
import { describeApply, runApply } from "./apply.ts";
import { Conversation } from "./conversation.ts";
import { CairnError } from "./errors.ts";
import { defineFlow, type FlowContext } from "./flowDefinition.ts";
import { priceOf } from "./modelFacts.ts";
import { Spending } from "./spending.ts";
import { runTurn, schemasOf } from "./turn.ts";
import { baseStep } from "./workspace.ts";

const agentInput = z.object({ prompts: z.array(z.string().trim().min(1)).min(1) });

/**
 * The agent: a turn for each prompt, then the question whether to apply what it changed. Its
 * result is the model's last words of each turn.
 */
export const agentFlow = defineFlow({
  name: "agent",
  version: 2,
  input: agentInput,
  run: async (context, { prompts }) => {
    const { flow, spec, world } = context;
    const conversation = new Conversation(world);
    const words = [spec.profile.instructions, context.remarks].filter(Boolean);
    conversation.add({ role: "system", text: words.join("\n\n") });
    const spending = spendingOf(context);
    const schemas = schemasOf(context);
    const said: string[] = [];
    // A session that was queued for another machine brings its copy along.
    if (flow.isRecorded(baseStep)) await context.workspace.ready(flow);
    for (const [index, prompt] of prompts.entries()) {
      const turn = index + 1;
      said.push(
        await flow.turn(`turn/${turn}`, z.string(), async () =>
          runTurn({ ...context, ...schemas, conversation, spending }, turn, prompt),
        ),
      );
    }
    const applied = await propose(context);
    return [...said, ...(applied === null ? [] : [applied])].filter(Boolean).join("\n\n");
  },
});

async function propose({
  flow,
  world,
  spec,
  trees,
  workspace,
}: FlowContext): Promise<string | null> {
  const { base, tree } = workspace;
  const { apply, unattended } = spec.profile;
  if (apply !== "propose" || unattended || tree === base) return null;
  const applied = await runApply({ flow, world, trees, base, tree, unattended }, "apply/proposed");
  return applied === null ? null : describeApply(applied);
}

function spendingOf({ flow, spec, activeMs }: FlowContext): Spending {
  const { profile, model } = spec;
  const price = priceOf(model.name, profile);
  if (price === null && profile.budgets.money !== null) {
    throw new CairnError(
      "budget.noPrice",
      `No price is known for ${model.name}, so its cost cannot be kept within $${profile.budgets.money}. Add it to the profile's prices, or leave out the budget of money.`,
    );
  }
  return new Spending({ flow, profile, price, activeMs });
}
