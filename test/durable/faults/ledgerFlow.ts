import { setImmediate as soon } from "node:timers/promises";
import * as z from "zod";
import type { Flow } from "../../../src/core/flow.ts";
import { defineFlow, type FlowDefinition } from "../../../src/core/flowDefinition.ts";
import type { JsonValue } from "../../../src/core/records.ts";
import { gate, text } from "../../../src/core/waits.ts";
import type { WorkLog } from "./workLog.ts";

const note = z.object({ note: z.string() });

/** Steps of the flow, as they must be on record in the end, each once. */
export const ledgerSteps = [
  "plan",
  "order",
  ...["bread", "milk", "salt"].flatMap((name) => [`look/${name}`, `buy/${name}`]),
  "sum",
  "pay",
  "tell/cook",
  "tell/guest",
] as const;

/** Twelve steps with a wait at two places, effects on the world, and branches side by side. */
export function ledgerFlow(log: WorkLog): FlowDefinition {
  return defineFlow({
    name: "ledger",
    version: 1,
    input: z.null(),
    run: async ({ flow }): Promise<JsonValue> => {
      const steps = new Steps(log);
      await steps.look(flow, "plan", 200);
      await steps.act(flow, "order");
      await flow.wait("gate", gate("May it be bought?"));
      const bought = await flow.parallel(
        ["bread", "milk", "salt"].map((name) => async (branch: Flow) => {
          await steps.look(branch, `look/${name}`, 50);
          return steps.act(branch, `buy/${name}`);
        }),
      );
      await steps.look(flow, "sum", 40_000);
      const answer = await flow.wait("thanks", text("What shall be said?"));
      const said = answer.ended === null ? answer.value : "nothing";
      await steps.act(flow, "pay");
      const told = await flow.parallel(
        ["cook", "guest"].map((name) => async (branch: Flow) => steps.act(branch, `tell/${name}`)),
      );
      return [...bought, said, ...told];
    },
  });
}

class Steps {
  readonly #log: WorkLog;

  constructor(log: WorkLog) {
    this.#log = log;
  }

  /** Work that is safe to repeat. */
  async look(flow: Flow, name: string, size: number): Promise<void> {
    await flow.step(name, { output: note, args: { size } }, async () => {
      await soon();
      this.#log.add("work", name);
      return { note: name.padEnd(size, ".") };
    });
  }

  /** Work that must not be repeated without a question. */
  async act(flow: Flow, name: string): Promise<string> {
    const spec = { output: note, effect: "external", args: { name }, what: `Do ${name}` } as const;
    const output = await flow.step(name, spec, async () => {
      await soon();
      this.#log.add("effect", name);
      await soon();
      return { note: name };
    });
    return output.note;
  }
}
