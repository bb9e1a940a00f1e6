import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as z from "zod";
import type { FlowParts } from "../../src/core/flowRun.ts";
import { gate, yesOrNo } from "../../src/core/waits.ts";
import { Parked } from "../../src/core/recordedWait.ts";
import { ScriptedModel } from "../fakes/scriptedModel.ts";
import { Journal } from "./journal.ts";
import { says } from "./machine.ts";

function asking(...answers: readonly string[]): [ScriptedModel, Partial<FlowParts>] {
  const model = new ScriptedModel(answers.map(says));
  return [model, { model: { name: "m", model } }];
}

suite("what a flow may ask for", () => {
  test("llm asks the model once, by name if it is given one, and is served after a restart", async () => {
    const journal = new Journal();
    const [model, parts] = asking("first", "second");
    const run = async (): Promise<readonly string[]> => {
      const flow = journal.flow(parts);
      return [await flow.llm("One?"), await flow.llm("Two?", { model: "better" })];
    };
    assert.deepEqual(await run(), ["first", "second"]);
    assert.deepEqual(await run(), ["first", "second"]);
    assert.deepEqual(
      model.requests.map((request) => [request.model, request.messages[0]?.text]),
      [
        ["m", "One?"],
        ["better", "Two?"],
      ],
    );
  });

  test("llm without a model says what is missing", async () => {
    await assert.rejects(new Journal().flow().llm("One?"), { code: "flow.invalid" });
  });

  test("now is the same in every run, however late it is", async () => {
    const journal = new Journal();
    const first = await journal.flow().now();
    await journal.world.sleep(60_000, new AbortController().signal);
    assert.equal(await journal.flow().now(), first);
  });

  test("uuid is a UUID, the same in every run, and another one in a fork", async () => {
    const journal = new Journal();
    const flow = journal.flow();
    const [one, two] = [await flow.uuid(), await flow.uuid()];
    assert.notEqual(one, two);
    assert.equal(z.uuid({ version: "v8" }).parse(one), one);
    assert.equal(await journal.flow().uuid(), one);
    const fork = journal.derived(new Journal("f"), { mode: "fork", at: "uuid#1" });
    assert.notEqual(await fork.uuid(), one);
  });

  test("a gate stays shut until it is opened, and an aborted wait says so", async () => {
    const journal = new Journal();
    await assert.rejects(journal.flow().wait("g", gate("Open?")), Parked);
    journal.answer("g", true);
    const opened = await journal.flow().wait("g", gate("Open?"));
    assert.equal(opened.ended === null && opened.value, true);
    const other = new Journal();
    await assert.rejects(other.flow().wait("b", yesOrNo("Go?")), Parked);
    const by = { user: "dev", surface: "cli" } as const;
    other.write({
      kind: "wait.answered",
      at: 0,
      wait: "b",
      answer: null,
      digest: "",
      by,
      ended: "aborted",
    });
    assert.deepEqual(await other.flow().wait("b", yesOrNo("Go?")), { ended: "aborted", by });
  });

  test("a turn is a checkpoint of its own only where the strategy says so; its steps are recorded either way", async () => {
    for (const strategy of ["calls", "turn"] as const) {
      const journal = new Journal();
      const flow = journal.flow({ strategy });
      await flow.turn("research", z.string(), async () =>
        flow.step("research/look", { output: z.string() }, async () => "found"),
      );
      const turns = strategy === "turn" ? ["research run"] : [];
      assert.deepEqual(journal.told, ["research/look run", ...turns]);
    }
  });

  test("two branches with a step of the same name are refused, whichever comes first", async () => {
    const flow = new Journal().flow();
    const branch = async (side: typeof flow): Promise<string> =>
      side.step("same", { output: z.string() }, async () => "x");
    await assert.rejects(flow.parallel([branch, branch]), { code: "flow.duplicateStep" });
  });
});
