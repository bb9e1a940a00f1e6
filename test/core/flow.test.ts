import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import * as z from "zod";
import { canonical } from "../../src/core/canonical.ts";
import { CairnError } from "../../src/core/errors.ts";
import type { Flow } from "../../src/core/flow.ts";
import { Parked } from "../../src/core/recordedWait.ts";
import { jsonValue, type JsonValue } from "../../src/core/records.ts";
import type { StepSpec } from "../../src/core/step.ts";
import { text } from "../../src/core/waits.ts";
import { Journal } from "./journal.ts";

const spec = { kind: "tool", label: "t", inputs: { args: "1" }, output: z.number() } as const;
const external = { ...spec, effect: "external", what: "send", skipped: 0 } as const;

test("a step runs once; after a restart its outcome comes from the record", async () => {
  const journal = new Journal();
  let ran = 0;
  const work = async (): Promise<number> => (ran += 1);
  assert.equal(await journal.flow().step("a", spec, work), 1);
  assert.equal(await journal.flow().step("a", spec, work), 1);
  assert.equal(ran, 1);
});

test("a name used again in one run is a step of its own, in the same order after a restart", async () => {
  const journal = new Journal();
  let ran = 0;
  const twice = async (flow: Flow): Promise<number[]> => [
    await flow.step("a", spec, async () => (ran += 1)),
    await flow.step("a", spec, async () => (ran += 1)),
  ];
  assert.deepEqual(await twice(journal.flow()), [1, 2]);
  assert.deepEqual(await twice(journal.flow()), [1, 2]);
  assert.deepEqual(journal.told, ["a run", "a#2 run"]);
});

test("a step that is found with other inputs stops and names the input that changed", async () => {
  const journal = new Journal();
  await journal.flow().step("a", spec, async () => 1);
  const other = { ...spec, inputs: { args: "2", tree: "x" } };
  await assert.rejects(
    journal.flow().step("a", other, async () => assert.fail("it ran")),
    (error) => CairnError.is(error, "flow.diverged") && error.message.includes("(args, tree)"),
  );
});

test("an effect leaves its intent before it starts, with the same operation after a crash", async () => {
  const journal = new Journal();
  const effect = { ...spec, effect: "workspace", what: "write" } as const;
  const operations: string[] = [];
  const cut = journal.flow().step("a", effect, async ({ operation }) => {
    operations.push(operation);
    assert.equal(journal.records.at(-1)?.kind, "step.started");
    throw new Error("killed");
  });
  await assert.rejects(cut, /killed/);
  const result = journal.flow().step("a", effect, async ({ operation }) => {
    operations.push(operation);
    return 1;
  });
  assert.equal(await result, 1);
  assert.equal(operations.length, 2);
  assert.equal(operations[0], operations[1]);
});

test("an unanswered wait parks, and asks the same thing after a restart without recording it again", async () => {
  const journal = new Journal();
  await assert.rejects(journal.flow().wait("w", text("Which?")), Parked);
  await assert.rejects(journal.flow().wait("w", text("Which?")), Parked);
  assert.equal(journal.records.length, 1);
});

test("a wait that asks something else than what is on record stops before anything is done", async () => {
  const journal = new Journal();
  await assert.rejects(journal.flow().wait("w", text("Which?")), Parked);
  await assert.rejects(journal.flow().wait("w", text("Why?")), { code: "flow.diverged" });
});

test("only an error that says so is tried again for an effect, and each attempt is on record", async () => {
  const journal = new Journal();
  let calls = 0;
  const fails = (retryable: boolean) => async (): Promise<number> => {
    calls += 1;
    throw new CairnError("model.cut", "cut", { retryable });
  };
  const tries = { ...external, retries: { times: 2 } };
  await assert.rejects(journal.flow().step("a", tries, fails(false)), { code: "model.cut" });
  assert.equal(calls, 1);
  await assert.rejects(new Journal().flow().step("b", tries, fails(true)), { code: "model.cut" });
  assert.equal(calls, 4);
});

suite("an external effect that may have happened", () => {
  async function doubtful(
    more: Partial<StepSpec<number>> = {},
  ): Promise<[Journal, () => Promise<number>]> {
    const journal = new Journal();
    let sent = 0;
    const step = { ...external, ...more };
    const run = async (): Promise<number> =>
      journal.flow().step("send", step, async () => (sent += 1));
    journal.beforeAppend = (body) => {
      if (body.kind === "step.completed") throw new CairnError("store.unwritable", "killed");
    };
    await assert.rejects(run());
    journal.beforeAppend = () => {};
    assert.equal(sent, 1);
    await assert.rejects(run(), Parked);
    assert.equal(sent, 1, "it is not repeated silently");
    return [journal, run];
  }

  test("is asked about with evidence: what was sent, when, and what can be seen", async () => {
    const observe = async () => ({ text: "The message is there.", result: 7 });
    const [journal] = await doubtful({ args: { to: "you" }, observe });
    const opened = journal.records.at(-1);
    assert.ok(opened?.kind === "wait.opened" && opened.subject.kind === "inDoubt");
    const { sent, startedAt, observed, result, what } = opened.subject;
    assert.deepEqual(
      { sent, startedAt, observed, result, what },
      {
        sent: { to: "you" },
        startedAt: 1_000_000,
        observed: "The message is there.",
        result: 7,
        what: "send",
      },
    );
  });

  test("it happened: the result that was entered is the outcome, and nothing runs", async () => {
    const [journal, run] = await doubtful();
    journal.answer("send/inDoubt/1", { choice: "happened", result: 42 });
    assert.equal(await run(), 42);
    assert.equal(await run(), 42);
    assert.equal(journal.told.at(-1), "send override");
  });

  test("it happened: the result that was read off can be accepted", async () => {
    const [journal, run] = await doubtful({ observe: async () => ({ text: "seen", result: 7 }) });
    journal.answer("send/inDoubt/1", { choice: "happened" });
    assert.equal(await run(), 7);
  });

  test("run again: it runs, with the same operation, and a second crash asks a second time", async () => {
    const [journal, run] = await doubtful();
    journal.answer("send/inDoubt/1", { choice: "runAgain" });
    journal.beforeAppend = (body) => {
      if (body.kind === "step.completed") throw new CairnError("store.unwritable", "killed");
    };
    await assert.rejects(run(), { code: "store.unwritable" });
    journal.beforeAppend = () => {};
    await assert.rejects(run(), Parked);
    assert.equal(journal.told.at(-1), "send/inDoubt/2 opened");
    const operations = journal.records.flatMap((record) =>
      record.kind === "step.started" ? [record.operation] : [],
    );
    assert.deepEqual(operations, [operations[0], operations[0]]);
    journal.answer("send/inDoubt/2", { choice: "runAgain" });
    assert.equal(await run(), 3);
  });

  test("skip: the flow goes on with what stands for it", async () => {
    const [journal, run] = await doubtful();
    journal.answer("send/inDoubt/1", { choice: "skip" });
    assert.equal(await run(), 0);
  });

  test("stop: the flow stops, and a retry asks again", async () => {
    const [journal, run] = await doubtful();
    journal.answer("send/inDoubt/1", { choice: "stop" });
    await assert.rejects(run(), { code: "flow.stopped" });
    await assert.rejects(run(), { code: "flow.stopped" }, "a resume does not ask again");
    journal.retried();
    await assert.rejects(run(), Parked);
    assert.equal(journal.told.at(-1), "send/inDoubt/1 opened");
  });
});

test("canonical text is the same whatever the order of keys, and different for different values", () => {
  const shuffled = (value: JsonValue): JsonValue => {
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value)) return value.map(shuffled);
    return Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([name, part]) => [name, shuffled(part)]),
    );
  };
  fc.assert(
    fc.property(fc.jsonValue(), (raw) => {
      const value = jsonValue.parse(JSON.parse(JSON.stringify(raw)));
      assert.equal(canonical(shuffled(value)), canonical(value));
      assert.deepEqual(JSON.parse(canonical(value)), value);
    }),
  );
});
