import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";
import { CairnError } from "../../src/core/errors.ts";
import type { AuditEntry } from "../../src/core/ports.ts";
import type { SessionRecord } from "../../src/core/records.ts";
import { defineTool } from "../../src/core/tool.ts";
import type { Answer } from "../../src/core/waitAnswer.ts";
import { Journal } from "./journal.ts";
import { by, calls, listThenDone, Machine, never, says } from "./machine.ts";

const yes = { approved: true, note: "" };
const asking = { rules: { exec: "ask" as const } };
const wait = "turn/1/tool/a/approval";

function approve(more: Partial<Answer> = {}): Answer {
  return { wait, digest: null, by, value: yes, ...more };
}

function kinds(entries: readonly AuditEntry[]): readonly string[] {
  return entries.map(({ kind }) => kind);
}

function isOf<Kind extends SessionRecord["kind"]>(kind: Kind) {
  return (record: SessionRecord): record is Extract<SessionRecord, { kind: Kind }> =>
    record.kind === kind;
}

/** A tool that is at work until it is released. */
function slowTool() {
  let begin: () => void = () => {};
  let release: () => void = () => {};
  const began = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = defineTool({
    name: "slow",
    description: "waits",
    args: z.object({}),
    effect: "none",
    what: () => "wait",
    run: async () => {
      begin();
      await released;
      return { text: "done", ok: true };
    },
  });
  return { slow, began, release: () => release() };
}

suite("what the audit log is told", () => {
  test("of a session: its start, each question, each answer, a pair around each effect, its end", async () => {
    const machine = new Machine(listThenDone);
    const session = await machine.start(asking);
    await session.run(never);
    await session.answer(approve(), never);
    const { records } = session;
    assert.deepEqual(machine.audit.told, [
      "session | started: list",
      `asked | ${wait} | Run exec?`,
      `answered | ${wait} | Run exec? | approved`,
      "began | turn/1/tool/a | exec: ls",
      "ended | turn/1/tool/a | exec: ls | done",
      "session | ended | completed",
    ]);
    const start = records.find(isOf("step.started"));
    const opened = records.find(isOf("wait.opened"));
    const of = (...some: readonly string[]) =>
      machine.audit.entries.filter(({ kind }) => some.includes(kind));
    for (const { operation, digest } of of("began", "ended")) {
      assert.deepEqual({ operation, digest }, { operation: start?.operation, digest: start?.key });
    }
    for (const { digest } of of("asked", "answered")) assert.equal(digest, opened?.digest);
    assert.deepEqual(of("answered")[0]?.by, by);
  });

  test("before the effect: when it starts, the entry is there, and the intent", async () => {
    const journal = new Journal();
    const seen: string[] = [];
    const spec = { effect: "external" as const, output: z.null(), what: "send it" };
    await journal.flow().step("send", spec, async () => {
      seen.push(...journal.audit.told, ...journal.told);
      return null;
    });
    assert.deepEqual(seen, ["began | send | send: send it", "send started"]);
  });

  test("nothing, of what is served from a record", async () => {
    const source = new Journal("a");
    const spec = { effect: "external" as const, output: z.null() };
    await source.flow().step("send", spec, async () => null);
    const told = source.audit.told.length;
    await source.flow().step("send", spec, async () => null);
    assert.equal(source.audit.told.length, told);
    const replay = new Journal("b");
    await source.derived(replay).step("send", spec, async () => null);
    assert.deepEqual(replay.audit.told, []);
  });

  test("the failure of an effect, whether it is thrown or told to the model", async () => {
    const journal = new Journal();
    const flow = journal.flow();
    const spec = { effect: "external" as const, output: z.json() };
    await flow.step("told", spec, async () => ({ ok: false }));
    await flow.step("left", spec, async () => ({ failure: { code: "apply.conflict" } }));
    const thrown = flow.step("thrown", spec, async () => {
      throw new CairnError("sandbox.lost", "It is gone.");
    });
    await assert.rejects(thrown);
    assert.deepEqual(
      journal.audit.entries.flatMap(({ kind, outcome }) => (kind === "ended" ? [outcome] : [])),
      ["failed", "failed: apply.conflict", "failed: sandbox.lost"],
    );
  });

  test("no end of an effect that nobody saw end: the next try begins again with the same operation", async () => {
    const journal = new Journal();
    const spec = { effect: "workspace" as const, output: z.null() };
    journal.beforeAppend = ({ kind }) => {
      if (kind === "step.completed") throw new CairnError("store.unwritable", "full");
    };
    await assert.rejects(journal.flow().step("write", spec, async () => null));
    journal.beforeAppend = () => {};
    await journal.flow().step("write", spec, async () => null);
    assert.deepEqual(kinds(journal.audit.entries), ["began", "began", "ended"]);
    assert.equal(new Set(journal.audit.entries.map(({ operation }) => operation)).size, 1);
  });

  test("what the operator says of an effect in doubt closes it", async () => {
    for (const [value, outcome] of [
      [{ choice: "happened", result: 7 }, "in doubt, and done by the operator's word"],
      [{ choice: "skip" }, "in doubt, and left as it may be"],
    ] as const) {
      const journal = new Journal();
      const spec = { effect: "external" as const, output: z.number(), skipped: 0 };
      const die = journal.flow().step("send", spec, async () => {
        throw new CairnError("store.unwritable", "died");
      });
      await assert.rejects(die);
      await assert.rejects(journal.flow().step("send", spec, async () => 1));
      journal.answer("send/inDoubt/1", value);
      await journal.flow().step("send", spec, async () => 1);
      assert.deepEqual(journal.audit.entries.at(-1)?.outcome, outcome);
      assert.deepEqual(kinds(journal.audit.entries), ["began", "asked", "ended"]);
    }
  });

  test("with which skills a session was made", async () => {
    const machine = new Machine(listThenDone);
    machine.skills = { source: "git+https://example.org/s", commit: "c".repeat(40), digest: "d1" };
    await machine.start();
    const entry = machine.audit.entries.find(({ kind }) => kind === "skills");
    assert.equal(entry?.digest, "d1");
    assert.equal(
      entry.what,
      `made with the skills of git+https://example.org/s at ${"c".repeat(40)}`,
    );
  });

  test("that a session goes on, and who cancelled it", async () => {
    const machine = new Machine(listThenDone);
    await (await machine.start(asking)).run(never);
    await (await machine.reload()).cancel(by);
    assert.deepEqual(machine.audit.told.slice(2), ["session | ended | cancelled"]);
    assert.deepEqual(machine.audit.entries.at(-1)?.by, by);
  });
});

suite("an answer that does not count is refused, runs nothing, and is in the audit log", () => {
  async function parked(profile = {}): Promise<Machine> {
    const machine = new Machine(listThenDone);
    await (await machine.start({ ...asking, ...profile })).run(never);
    return machine;
  }

  function refusals({ audit }: Machine): readonly (string | null)[] {
    return audit.entries.flatMap(({ kind, step, outcome, by: who }) =>
      kind === "refused" ? [`${step} ${outcome} ${who?.user} ${who?.surface}`] : [],
    );
  }

  test("after its time was over: it ends unanswered instead", async () => {
    const machine = await parked({ answerWithinMs: 1000 });
    await machine.world.sleep(2000, never);
    const session = await machine.reload();
    await session.answer(approve(), never);
    assert.deepEqual(machine.commands, []);
    assert.deepEqual(refusals(machine), [`${wait} wait.expired dev cli`]);
    const answered = machine.audit.entries.find(({ kind }) => kind === "answered");
    assert.equal(answered?.outcome, "expired");
    assert.equal(answered.by?.surface, "deadline");
  });

  test("after the session was cancelled, and after it ended", async () => {
    const cancelled = await parked();
    await (await cancelled.reload()).cancel(by);
    await assert.rejects((await cancelled.reload()).answer(approve(), never), {
      code: "wait.unknown",
    });
    assert.deepEqual(cancelled.commands, []);
    assert.deepEqual(refusals(cancelled), [`${wait} wait.unknown dev cli`]);
    const ended = await parked();
    await (await ended.reload()).answer(approve(), never);
    await assert.rejects((await ended.reload()).answer(approve(), never), {
      code: "wait.answered",
    });
    assert.deepEqual(ended.commands, ["ls"]);
    assert.deepEqual(refusals(ended), [`${wait} wait.answered dev cli`]);
  });

  test("of another session, of no wait, of other bytes, of no sense", async () => {
    const machine = await parked();
    const wrong: readonly [Partial<Answer>, string][] = [
      [{ wait: "turn/9/tool/x/approval" }, "wait.unknown"],
      [{ digest: "0".repeat(64) }, "wait.invalidAnswer"],
      [{ value: "perhaps" }, "wait.invalidAnswer"],
    ];
    for (const [more, code] of wrong) {
      await assert.rejects((await machine.reload()).answer(approve(more), never), { code });
    }
    assert.deepEqual(machine.commands, []);
    assert.deepEqual(
      refusals(machine).map((line) => line?.split(" ").slice(0, 2).join(" ")),
      wrong.map(([more, code]) => `${more.wait ?? wait} ${code}`),
    );
  });

  test("twice at once: one counts, in one window as in two", async () => {
    const machine = await parked();
    const session = await machine.reload();
    const both = [session.answer(approve(), never), session.leave(approve())];
    const settled = await Promise.allSettled(both);
    assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 1);
    assert.deepEqual(machine.commands, ["ls"]);
    assert.equal(refusals(machine).length, 1);
  });

  test("twice while the session runs on beside the wait, as by a double click", async () => {
    const { slow, began, release } = slowTool();
    const machine = new Machine(
      [calls(["s", "slow", {}], ["q", "ask_question", { question: "Go on?" }]), says("done")],
      [slow],
    );
    const session = await machine.start({
      tools: ["slow", "ask_question"],
      rules: { slow: "allow", ask_question: "allow" },
    });
    const run = session.run(never);
    await began;
    while (session.view.openWaits.length === 0) await delay(1);
    const answer = approve({ wait: "turn/1/tool/q/answer", value: "yes" });
    const settled = await Promise.allSettled([
      session.answerWhileRunning(answer),
      session.answerWhileRunning(answer),
    ]);
    release();
    assert.equal(await run, "completed");
    assert.deepEqual(
      settled.map(({ status }) => status),
      ["fulfilled", "rejected"],
    );
    assert.equal(session.records.filter(isOf("wait.answered")).length, 1);
    assert.deepEqual(refusals(machine), ["turn/1/tool/q/answer wait.answered dev cli"]);
  });

  test("by other code than the session was recorded with", async () => {
    const machine = await parked();
    const session = await machine.reload();
    const [first] = session.records;
    assert.ok(first?.kind === "session.started" && first.spec.flow !== undefined);
    first.spec.flow.version += 1;
    await assert.rejects(session.answer(approve(), never), { code: "flow.diverged" });
    assert.deepEqual(refusals(machine), [`${wait} flow.diverged dev cli`]);
  });
});

suite("when the audit log cannot be written", () => {
  test("an effect does not happen, its session fails with one sentence, and a retry does it once, without a question", async () => {
    const machine = new Machine(listThenDone);
    machine.audit.failsAt = ({ kind }) => kind === "began";
    const session = await machine.start({ rules: { exec: "allow" } });
    assert.equal(await session.run(never), "failed");
    assert.deepEqual(machine.commands, []);
    const end = session.records.at(-1);
    assert.ok(end?.kind === "session.ended");
    assert.deepEqual(end.failure, {
      code: "audit.unwritable",
      message: "The audit log cannot be written (ENOSPC).",
      origin: "backend",
    });
    machine.audit.failsAt = () => false;
    assert.equal(await (await machine.reload()).retry(never), "completed");
    assert.deepEqual(machine.commands, ["ls"]);
    assert.deepEqual(kinds(machine.audit.entries), [
      "session",
      "session",
      "session",
      "began",
      "ended",
      "session",
    ]);
  });

  test("an external effect is not even in doubt", async () => {
    const journal = new Journal();
    const spec = { effect: "external" as const, output: z.number() };
    journal.audit.failsAt = () => true;
    await assert.rejects(
      journal.flow().step("send", spec, async () => 1),
      {
        code: "audit.unwritable",
      },
    );
    assert.deepEqual(journal.told, []);
    journal.audit.failsAt = () => false;
    assert.equal(await journal.flow().step("send", spec, async () => 1), 1);
  });

  test("nothing starts, nothing is asked, and an answer is not taken: its wait stays open", async () => {
    const machine = new Machine(listThenDone);
    machine.audit.failsAt = () => true;
    await assert.rejects(machine.start(asking), { code: "audit.unwritable" });
    await assert.rejects(machine.reload(), { code: "session.unknown" });
    machine.audit.failsAt = ({ kind }) => kind === "asked";
    const unasked = await machine.start(asking);
    assert.equal(await unasked.run(never), "failed");
    machine.audit.failsAt = () => false;
    assert.equal(await (await machine.reload()).retry(never), "waiting");
    machine.audit.failsAt = ({ kind }) => kind === "answered";
    const waiting = await machine.reload();
    await assert.rejects(waiting.answer(approve(), never), { code: "audit.unwritable" });
    assert.deepEqual(
      waiting.view.openWaits.map((open) => open.wait),
      [wait],
    );
    machine.audit.failsAt = () => false;
    assert.equal(await (await machine.reload()).answer(approve(), never), "completed");
  });

  test("the end of a session and of an effect are recorded all the same", async () => {
    const machine = new Machine(listThenDone);
    machine.audit.failsAt = ({ kind, what }) => kind === "ended" || what === "ended";
    const session = await machine.start({ rules: { exec: "allow" } });
    assert.equal(await session.run(never), "completed");
    assert.deepEqual(machine.commands, ["ls"]);
  });
});
