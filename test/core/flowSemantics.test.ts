import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as z from "zod";
import { CairnError } from "../../src/core/errors.ts";
import type { Flow } from "../../src/core/flow.ts";
import { defineFlow, type FlowContext } from "../../src/core/flowDefinition.ts";
import type { JsonValue } from "../../src/core/records.ts";
import { structured, text, yesOrNo } from "../../src/core/waits.ts";
import { Journal } from "./journal.ts";
import { asks, by, Machine, never, says } from "./machine.ts";

const string = { output: z.string() } as const;

/** A flow of one's own on a machine, with what its steps did. */
function flowOf(run: (context: FlowContext) => Promise<JsonValue>) {
  return defineFlow({ name: "mine", version: 1, input: z.json(), run });
}

suite(
  "Negative retries, a step outside a flow, a nested step: errors that say what to do. n failed attempts are recorded, then the success.",
  () => {
    test("negative retries are refused", async () => {
      const flow = new Journal().flow();
      const step = { ...string, retries: { times: -1 } };
      await assert.rejects(
        flow.step("a", step, async () => "x"),
        { code: "flow.invalid", message: /-1 retries. Use 0 or a whole number/ },
      );
    });

    test("a step outside a flow is refused", async () => {
      const journal = new Journal();
      const flow = journal.flow();
      flow.end();
      await assert.rejects(
        flow.step("late", string, async () => "x"),
        { code: "flow.outside", message: /Call it inside the flow function/ },
      );
      assert.deepEqual(journal.records, []);
    });

    test("a nested step is refused", async () => {
      const journal = new Journal();
      const flow = journal.flow();
      const nested = flow.step("outer", string, async () =>
        flow.step("inner", string, async () => "x"),
      );
      await assert.rejects(nested, { code: "flow.nested", message: /Steps do not nest/ });
    });

    test("n failed attempts are recorded, then the success", async () => {
      const journal = new Journal();
      let attempts = 0;
      const step = { ...string, retries: { times: 3 } };
      const output = await journal.flow().step("a", step, async ({ attempt }) => {
        attempts = attempt;
        if (attempt < 4) throw new Error(`attempt ${attempt}`);
        return "done";
      });
      assert.equal(output, "done");
      assert.equal(attempts, 4);
      assert.deepEqual(journal.told, ["a failed", "a failed", "a failed", "a run"]);
      assert.equal(
        journal.world.now() - 1_000_000,
        500 + 1000 + 2000,
        "each pause is twice as long",
      );
    });
  },
);

suite(
  "retry only on failed; resume only on paused; answering an unknown or answered wait is an error; cancel is not abort.",
  () => {
    test("retry only on failed, resume only on paused", async () => {
      const machine = new Machine([says("done")]);
      const session = await machine.start();
      await assert.rejects(session.retry(never), { code: "session.notFailed" });
      await session.run(never);
      await assert.rejects(session.retry(never), { code: "session.notFailed" });
      await assert.rejects(session.resume(never), { code: "session.ended" });
    });

    test("answering an unknown or an answered wait is an error", async () => {
      const machine = new Machine([asks("q"), says("done")]);
      const session = await machine.start();
      await session.run(never);
      const answer = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
      await assert.rejects(session.answer({ ...answer, wait: "nope" }, never), {
        code: "wait.unknown",
      });
      await session.answer(answer, never);
      await assert.rejects(session.answer(answer, never), { code: "wait.answered" });
    });

    test("an abort ends one wait and the session goes on; a cancel ends the session", async () => {
      const machine = new Machine([asks("q"), says("went on")]);
      const session = await machine.start();
      await session.run(never);
      const wait = "turn/1/tool/q/answer";
      const abort = { wait, digest: null, value: null, ended: "aborted", by } as const;
      assert.equal(await session.answer(abort, never), "completed");
      assert.match(JSON.stringify(machine.model.requests[1]?.messages.at(-1)), /does not answer/);

      const other = new Machine([asks("q")]);
      const second = await other.start();
      await second.run(never);
      assert.equal(await second.cancel(by), "cancelled");
      assert.deepEqual(second.view.openWaits, []);
      assert.deepEqual(second.view.ended?.by, by);
      await assert.rejects(second.answer({ ...abort }, never), { code: "wait.unknown" });
      await assert.rejects(second.resume(never), { code: "session.ended" });
      await assert.rejects(second.retry(never), { code: "session.notFailed" });
      await assert.rejects(second.cancel(by), { code: "session.ended" });
    });
  },
);

test("A boolean gate and then a structured input in one flow: answered one after the other, each resumes.", async () => {
  const machine = new Machine([]);
  const target = z.object({ host: z.string(), port: z.int() });
  const deploy = flowOf(async ({ flow }) => {
    const go = await flow.wait("go", yesOrNo("Deploy?"));
    if (go.ended !== null || !go.value) return "not deployed";
    const where = await flow.wait("where", structured("Where to?", target));
    return where.ended === null ? `deployed to ${where.value.host}:${where.value.port}` : null;
  });
  const session = await machine.startFlow(deploy);
  assert.equal(await session.run(never), "waiting");
  const first = await machine.reload();
  assert.equal(await first.answer({ wait: "go", digest: null, value: true, by }, never), "waiting");
  const second = await machine.reload();
  const wrong = { wait: "where", digest: null, value: { host: "h" }, by };
  await assert.rejects(second.answer(wrong, never), { code: "wait.invalidAnswer" });
  const right = { ...wrong, value: { host: "h", port: 80 } };
  assert.equal(await second.answer(right, never), "completed");
  assert.equal(second.view.ended?.output, "deployed to h:80");
});

suite(
  "save/load by artifact name and by checkpoint name; ambiguous and missing are errors. log merges dicts and keeps the last scalar.",
  () => {
    test("a value is loaded by the artifact's name and by the checkpoint's, after a restart too", async () => {
      const journal = new Journal();
      const run = async (flow: Flow): Promise<readonly JsonValue[]> => {
        await flow.step("research", string, async () => "notes");
        await flow.save("report", { pages: 3 });
        return [flow.load("report", z.json()), flow.load("research", z.json())];
      };
      assert.deepEqual(await run(journal.flow()), [{ pages: 3 }, "notes"]);
      assert.deepEqual(await run(journal.flow()), [{ pages: 3 }, "notes"]);
    });

    test("missing and ambiguous are errors that list what there is", async () => {
      const flow = new Journal().flow();
      await flow.save("a", 1);
      await flow.save("a", 2);
      assert.throws(() => flow.load("b", z.json()), {
        code: "artifact.missing",
        message: "There is nothing called b. There is: artifact/a, artifact/a#2.",
      });
      assert.throws(() => flow.load("a", z.json()), {
        code: "artifact.ambiguous",
        message: "a names 2 things. Load one by its id: artifact/a#1, artifact/a#2.",
      });
      assert.equal(flow.load("artifact/a#1", z.json()), 1);
      assert.equal(flow.load("artifact/a#2", z.json()), 2);
    });

    test("an artifact and a checkpoint of one name are ambiguous", async () => {
      const flow = new Journal().flow();
      await flow.step("notes", string, async () => "x");
      await flow.save("notes", "y");
      assert.throws(() => flow.load("notes", z.json()), { code: "artifact.ambiguous" });
    });

    test("log merges dicts and keeps the last scalar", async () => {
      const machine = new Machine([]);
      const logging = flowOf(async ({ flow }) => {
        await flow.log({ stage: 1, cost: { model: 2 } });
        await flow.log({ stage: 2, cost: { tools: 3 } });
        return null;
      });
      const session = await machine.startFlow(logging);
      await session.run(never);
      assert.deepEqual(session.view.facts, { stage: 2, cost: { model: 2, tools: 3 } });
    });
  },
);

suite(
  "The flow's return value is the result, however many checkpoints there are, explicit null included.",
  () => {
    for (const value of [null, 0, false, "", [], { a: null }, "words"]) {
      test(`a flow that returns ${JSON.stringify(value)}`, async () => {
        const machine = new Machine([]);
        const session = await machine.startFlow(
          flowOf(async ({ flow }) => {
            await flow.step("one", string, async () => "not this");
            await flow.step("two", string, async () => "nor this");
            return value;
          }),
        );
        assert.equal(await session.run(never), "completed");
        assert.deepEqual(session.view.result, value);
      });
    }
  },
);

suite(
  "A changed call sequence before the resume point stops with the old and the new list, 0 effects.",
  () => {
    const walk = async (flow: Flow, names: readonly string[], ran: string[]): Promise<void> => {
      for (const name of names) {
        await flow.step(name, { ...string, effect: "external" }, async () => {
          ran.push(name);
          return name;
        });
      }
      await flow.wait("pause", text("Go on?"));
    };

    async function stopped(now: readonly string[]): Promise<unknown> {
      const journal = new Journal();
      await walk(journal.flow(), ["a", "b", "c"], []).catch(() => {});
      journal.answer("pause", "yes");
      const ran: string[] = [];
      const count = journal.records.length;
      const error = await walk(journal.flow(), now, ran).catch((caught: unknown) => caught);
      assert.deepEqual(ran, [], "0 effects");
      assert.equal(journal.records.length, count, "nothing was recorded");
      return error;
    }

    for (const now of [
      ["a", "x", "b", "c"],
      ["x", "a", "b", "c"],
      ["a", "b", "x"],
      ["b", "new"],
    ]) {
      test(`a, b, c became ${now.join(", ")}`, async () => {
        const error = await stopped(now);
        assert.ok(CairnError.is(error, "flow.diverged"), String(error));
        assert.match(error.message, /Recorded: a, b, c, pause\./);
        const until = now.slice(0, now.findIndex((name) => !["a", "b", "c"].includes(name)) + 1);
        assert.ok(error.message.includes(`Now: ${until.join(", ")}.`), error.message);
      });
    }

    test("branches side by side that are all on record do not stop it, however they are timed", async () => {
      const journal = new Journal();
      const branch = (name: string, pauses: number) => async (flow: Flow) => {
        for (let pause = 0; pause < pauses; pause += 1) await Promise.resolve();
        await flow.step(`${name}/one`, string, async () => "1");
        return flow.step(`${name}/two`, string, async () => "2");
      };
      journal.beforeAppend = (body) => {
        if (body.kind === "step.completed" && body.step === "slow/two") throw new Error("killed");
      };
      const run = async (slow: number, quick: number) =>
        journal.flow().parallel([branch("slow", slow), branch("quick", quick)]);
      await assert.rejects(run(20, 0));
      journal.beforeAppend = () => {};
      await run(0, 40);
      assert.deepEqual(journal.told, [
        "quick/one run",
        "quick/two run",
        "slow/one run",
        "slow/two run",
      ]);
    });

    test("a branch that itself had branches goes on by its records while its neighbour has none left", async () => {
      const journal = new Journal();
      const step = (name: string) => async (flow: Flow) =>
        flow.step(name, string, async () => name);
      const nested = async (flow: Flow) => {
        await flow.parallel([step("x"), step("y")]);
        await step("after")(flow);
      };
      const later = async (flow: Flow) => {
        await flow.wait("ask", text("Go on?"));
        await step("new")(flow);
      };
      const run = async () => journal.flow().parallel([nested, later]);
      await assert.rejects(run());
      journal.answer("ask", "yes");
      await run();
      assert.equal(journal.told.at(-1), "new run");
    });

    test("a branch that changed stops before any effect, and its neighbour too", async () => {
      const journal = new Journal();
      const branch = (name: string) => async (flow: Flow) =>
        flow.step(name, { ...string, effect: "external" }, async () => name);
      await journal.flow().parallel([branch("a"), branch("b")]);
      const count = journal.records.length;
      await assert.rejects(journal.flow().parallel([branch("a"), branch("c")]), {
        code: "flow.diverged",
      });
      assert.equal(journal.records.length, count);
    });
  },
);
