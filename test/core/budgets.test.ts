import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ModelReply, Usage } from "../../src/core/records.ts";
import { noBudgets, type Budgets } from "../../src/core/profileRecord.ts";
import { asks, by, Machine, never, runs, says } from "./machine.ts";

const usage = (inputTokens: number, outputTokens = 0): Usage => ({
  inputTokens,
  outputTokens,
  cachedTokens: 0,
});
const yes = { digest: null, value: { approved: true, note: "" }, by } as const;
const no = { digest: null, value: { approved: false, note: "" }, by } as const;

function budget(given: Partial<Budgets>): { readonly budgets: Budgets } {
  return {
    budgets: { ...noBudgets, ...given },
  };
}

suite("a budget", () => {
  const spends = (reply: ModelReply, tokens: number): ModelReply => ({
    ...reply,
    usage: usage(tokens),
  });

  test("of tokens is asked about before the next call, goes over by one call at most, and a yes adds to it", async () => {
    const machine = new Machine([
      spends(asks("q1"), 60),
      spends(runs("a"), 60),
      spends(says("done"), 60),
    ]);
    const session = await machine.start(budget({ tokens: 100 }));
    await session.run(never);
    const answer = { wait: "turn/1/tool/q1/answer", digest: null, value: "yes", by };
    assert.equal(await session.answer(answer, never), "waiting");
    assert.equal(machine.model.calls, 2);
    const [wait] = session.view.openWaits;
    assert.equal(wait?.question, "120 tokens used of 100 tokens. Add 100 tokens and go on?");
    assert.equal(wait.wait, "turn/1/model#3/budget/tokens");
    const again = await machine.reload();
    assert.equal(await again.answer({ wait: wait.wait, ...yes }, never), "completed");
    assert.equal(machine.model.calls, 3);
    assert.deepEqual(machine.commands, ["a"]);
  });

  test("that is not raised ends the session as failed, and a retry asks again", async () => {
    const machine = new Machine([spends(runs("a"), 100), says("done")]);
    const session = await machine.start(budget({ tokens: 100 }));
    await session.run(never);
    const wait = "turn/1/model#2/budget/tokens";
    assert.equal(await session.answer({ wait, ...no }, never), "failed");
    assert.equal(session.view.ended?.failure?.code, "budget.spent");
    assert.equal(machine.model.calls, 1);
    assert.equal(await session.retry(never), "waiting");
    assert.equal(await session.answer({ wait, ...yes }, never), "completed");
  });

  test("ends an unattended session without a question", async () => {
    const machine = new Machine([spends(runs("a"), 100), says("done")]);
    const session = await machine.start({ ...budget({ tokens: 100 }), unattended: true });
    assert.equal(await session.run(never), "failed");
    assert.equal(session.view.ended?.failure?.code, "budget.spent");
  });

  test("of money counts by the model's price, and is refused where none is known", async () => {
    const machine = new Machine([spends(runs("a"), 1_000_000), says("done")]);
    const prices = { m: { input: 2, cachedInput: 1, output: 8 } };
    const session = await machine.start({ ...budget({ money: 1.5 }), prices });
    assert.equal(await session.run(never), "waiting");
    assert.equal(session.view.openWaits[0]?.question, "$2.00 used of $1.50. Add $1.50 and go on?");
    assert.equal(session.view.cost, 2);

    const unknown = await new Machine([says("x")]).start(budget({ money: 1 }));
    assert.equal(await unknown.run(never), "failed");
    assert.equal(unknown.view.ended?.failure?.code, "budget.noPrice");
  });

  test("of model calls and of commands stops before the call that would go over", async () => {
    const machine = new Machine([runs("a"), runs("b"), says("done")]);
    const session = await machine.start(budget({ modelCalls: 2, commands: 1 }));
    assert.equal(await session.run(never), "waiting");
    assert.equal(session.view.openWaits[0]?.wait, "turn/1/tool/b/budget/commands");
    assert.deepEqual(machine.commands, ["a"]);
    await session.answer({ wait: "turn/1/tool/b/budget/commands", ...yes }, never);
    assert.equal(session.view.openWaits[0]?.wait, "turn/1/model#3/budget/modelCalls");
    assert.equal(machine.model.calls, 2);
    const last = { wait: "turn/1/model#3/budget/modelCalls", ...yes };
    assert.equal(await session.answer(last, never), "completed");
  });

  test("of time leaves out the time that the session waited, and what is recorded is never asked about afterwards", async () => {
    const machine = new Machine([asks("q"), runs("a"), says("done")]);
    const session = await machine.start(budget({ wallTimeMs: 1000 }));
    await session.run(never);
    await machine.world.sleep(60_000, never);
    machine.sandbox.onRun = async () => machine.world.sleep(2000, never);
    const answer = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
    assert.equal(await session.answer(answer, never), "waiting");
    assert.equal(session.view.openWaits[0]?.wait, "turn/1/model#3/budget/wallTime");
    assert.match(session.view.openWaits[0]?.question ?? "", /^2 s used of 1 s/);
  });

  test("of the same failing call stops its repetition, and a no is told to the model", async () => {
    const machine = new Machine([runs("a"), runs("a"), runs("a"), says("sorry")]);
    const session = await machine.start(budget({ sameFailure: 2 }));
    machine.sandbox.run = async () => {
      machine.commands.push("a");
      return {
        status: "exited",
        exitCode: 1,
        stdout: new Uint8Array(),
        stderr: new Uint8Array(),
        cwd: "/workspace",
        durationMs: 1,
        truncated: false,
        fullOutput: null,
      };
    };
    assert.equal(await session.run(never), "waiting");
    const [wait] = session.view.openWaits;
    assert.equal(wait?.wait, "turn/1/tool/a#3/budget/sameFailure");
    assert.equal(machine.commands.length, 2);
    assert.equal(await session.answer({ wait: wait.wait, ...no }, never), "completed");
    assert.equal(machine.commands.length, 2);
    assert.match(JSON.stringify(machine.model.requests.at(-1)?.messages.at(-1)), /Try another way/);
  });

  test("stays as it was granted after a crash", async () => {
    const machine = new Machine([
      spends(runs("a"), 100),
      spends(asks("q"), 50),
      spends(says("done"), 10),
    ]);
    const session = await machine.start(budget({ tokens: 100 }));
    await session.run(never);
    await session.answer({ wait: "turn/1/model#2/budget/tokens", ...yes }, never);
    const again = await machine.reload();
    const answer = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
    assert.equal(await again.answer(answer, never), "completed");
  });
});

suite("the window of the model", () => {
  const long = "x".repeat(20_000);

  test("when the next request would not fit, older texts are shortened on record, and the records keep them whole", async () => {
    const steps = ["a", "b", "c", "d", "e"].map((name) => runs(name));
    const machine = new Machine([...steps, says("done")]);
    const session = await machine.start({ contextTokens: 10_000, apply: "onRequest" });
    machine.sandbox.run = async () => ({
      status: "exited",
      exitCode: 0,
      stdout: new TextEncoder().encode(long),
      stderr: new Uint8Array(),
      cwd: "/workspace",
      durationMs: 1,
      truncated: false,
      fullOutput: null,
    });
    assert.equal(await session.run(never), "completed");
    const compactions = session.records.filter(
      (record) => record.kind === "step.completed" && record.stepKind === "compaction",
    );
    assert.ok(compactions.length > 0);
    for (const request of machine.model.requests) {
      const characters = JSON.stringify(request.messages).length;
      assert.ok(characters / 4 <= 10_000, `${characters} characters`);
    }
    const last = machine.model.requests.at(-1)?.messages ?? [];
    assert.equal(last[1]?.text, "list", "the user's words stay");
    assert.match(last[3]?.text ?? "", /shortened to fit.*on record at turn\/1\/tool\/a/s);
    const first = session.view.turns[0]?.calls.find(({ step }) => step === "turn/1/tool/a");
    assert.ok((first?.output?.length ?? 0) > 5000);
    const before = machine.model.calls;
    const replay = await machine.derive("s", "r");
    assert.equal(await replay.run(never), "completed");
    assert.equal(machine.model.calls, before, "a replay comes by the same requests");
  });
});
