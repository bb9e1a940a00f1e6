import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import * as z from "zod";
import { canonical } from "../../src/core/canonical.ts";
import { CairnError } from "../../src/core/errors.ts";
import { Flow, Parked, type WaitSpec } from "../../src/core/flow.ts";
import {
  jsonValue,
  type JsonValue,
  type RecordBody,
  type SessionRecord,
} from "../../src/core/records.ts";
import { fakeWorld } from "../fakes/fakeWorld.ts";

/** A flow over an array: run it again to see what a restart would. */
class Journal {
  readonly records: SessionRecord[] = [];
  readonly world = fakeWorld();

  flow(recording: readonly SessionRecord[] | null = null): Flow {
    return new Flow({
      session: "s",
      world: this.world,
      signal: new AbortController().signal,
      append: async (body: RecordBody) => {
        this.records.push({ ...body, session: "s", seq: this.records.length + 1 });
      },
      history: [...this.records],
      recording,
    });
  }
}

const spec = { kind: "tool", name: "t", inputs: { args: "1" }, output: z.number() } as const;

const openQuestion = async (): Promise<WaitSpec> => ({
  kind: "question",
  question: "Which?",
  subject: { kind: "question", question: "Which?", choices: [] },
});

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
  assert.deepEqual(
    journal.records.map((record) => ("step" in record ? record.step : "")),
    ["a", "a#2"],
  );
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

test("an act leaves its intent before it starts, with the same operation id after a crash", async () => {
  const journal = new Journal();
  const act = { ...spec, effect: "workspace", what: "write", skipped: 0 } as const;
  const operations: string[] = [];
  const cut = journal.flow().act("a", act, async (operation) => {
    operations.push(operation);
    assert.equal(journal.records.at(-1)?.kind, "step.started");
    throw new Error("killed");
  });
  await assert.rejects(cut, /killed/);
  const result = journal.flow().act("a", act, async (operation) => {
    operations.push(operation);
    return 1;
  });
  assert.equal(await result, 1);
  assert.equal(operations.length, 2);
  assert.equal(operations[0], operations[1]);
});

test("an unanswered wait parks, and asks the same thing after a restart without recording it again", async () => {
  const journal = new Journal();
  await assert.rejects(journal.flow().wait("w", z.string(), openQuestion), Parked);
  await assert.rejects(
    journal.flow().wait("w", z.string(), async () => assert.fail("it asked anew")),
    Parked,
  );
  assert.equal(journal.records.length, 1);
});

test("only an error that says so is tried again, and each attempt is on record", async () => {
  const journal = new Journal();
  let calls = 0;
  const fails = (retryable: boolean) => async (): Promise<number> => {
    calls += 1;
    throw new CairnError("model.cut", "cut", { retryable });
  };
  const tries = { ...spec, attempts: 3 };
  await assert.rejects(journal.flow().step("a", tries, fails(false)), { code: "model.cut" });
  assert.equal(calls, 1);
  await assert.rejects(journal.flow().step("b", tries, fails(true)), { code: "model.cut" });
  assert.equal(calls, 4);
  assert.deepEqual(
    journal.records.map((record) => (record.kind === "step.failed" ? record.willRetry : null)),
    [false, true, true, false],
  );
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
