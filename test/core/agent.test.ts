import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";
import { CairnError } from "../../src/core/errors.ts";
import { namedProfile } from "../../src/core/profile.ts";
import { defineTool, type Effect, type Tool } from "../../src/core/tool.ts";
import { asks, by, calls, listThenDone, Machine, never, runs, says } from "./machine.ts";

const yes = { digest: null, value: { approved: true, note: "" }, by } as const;
const no = { digest: null, value: { approved: false, note: "" }, by } as const;

/** A tool whose calls wait for each other: it only ends when so many run at once. */
function meeting(name: string, size: number, effect: Effect = "none"): Tool & { most(): number } {
  let inside = 0;
  let most = 0;
  let open: () => void = () => {};
  const all = new Promise<void>((resolve) => {
    open = resolve;
  });
  const tool = defineTool({
    name,
    description: "meets",
    args: z.object({ at: z.string() }),
    effect,
    what: ({ at }) => at,
    run: async ({ at }) => {
      inside += 1;
      most = Math.max(most, inside);
      if (inside === size) open();
      if (size > 1) await all;
      await Promise.resolve();
      inside -= 1;
      return { text: at, ok: true };
    },
  });
  return { ...tool, most: () => most };
}

suite("calls of one answer", () => {
  const three = calls(
    ["a", "meet", { at: "1" }],
    ["b", "meet", { at: "2" }],
    ["c", "meet", { at: "3" }],
  );
  const profile = { tools: ["meet"], rules: { meet: "allow" as const } };

  for (const effect of ["none", "external"] as const) {
    test(`run side by side (effect ${effect}), and their results are in the order of the calls`, async () => {
      const meet = meeting("meet", 3, effect);
      const machine = new Machine([three, says("done")], [meet]);
      const session = await machine.start(profile);
      assert.equal(await session.run(never), "completed");
      assert.equal(meet.most(), 3);
      const told = machine.model.requests[1]?.messages.slice(-3);
      assert.deepEqual(
        told?.map((message) => [message.role === "tool" && message.callId, message.text]),
        [
          ["a", "1"],
          ["b", "2"],
          ["c", "3"],
        ],
      );
    });
  }

  test("that change the workspace share one shell: one after the other, in the order of the calls", async () => {
    const meet = meeting("meet", 1, "workspace");
    const machine = new Machine([three, says("done")], [meet]);
    const session = await machine.start(profile);
    assert.equal(await session.run(never), "completed");
    assert.equal(meet.most(), 1);
    const order = session.records.flatMap((record) =>
      record.kind === "step.started" ? [record.step] : [],
    );
    assert.deepEqual(order, ["turn/1/tool/a", "turn/1/tool/b", "turn/1/tool/c"]);
  });

  test("that look at the workspace see what those before them left, and are no commands", async () => {
    const place = { content: "" };
    const tool = (
      name: string,
      effect: "workspace" | "reads",
      run: () => string | Promise<string>,
    ): Tool =>
      defineTool({
        name,
        description: name,
        args: z.object({}),
        effect,
        what: () => name,
        run: async () => ({ text: await run(), ok: true }),
      });
    // Slow, so that a change that does not wait for it would come first.
    const look = async (): Promise<string> => {
      await delay(20);
      return place.content;
    };
    const write = (text: string): string => {
      place.content = text;
      machine.trees.content = text;
      return text;
    };
    const reply = calls(["a", "one", {}], ["b", "look", {}], ["c", "two", {}], ["d", "look", {}]);
    const machine = new Machine(
      [reply, says("done")],
      [
        tool("one", "workspace", () => write("1")),
        tool("two", "workspace", () => write("2")),
        tool("look", "reads", look),
      ],
    );
    const session = await machine.start({
      tools: ["one", "two", "look"],
      rules: { one: "allow", two: "allow", look: "allow" },
      apply: "onRequest",
      budgets: { ...namedProfile("default").budgets, commands: 2 },
    });
    assert.equal(await session.run(never), "completed");
    const outputs = machine.model.requests[1]?.messages.slice(-4).map(({ text }) => text);
    assert.deepEqual(outputs, ["1", "1", "2", "2"]);
    const looks = session.records.flatMap((record) =>
      record.kind === "step.completed" && record.name === "look" ? [record.key] : [],
    );
    assert.equal(new Set(looks).size, 2, "another tree is another key");
  });

  test("that wait are asked about together, and those that need no answer do not wait for them", async () => {
    const meet = meeting("meet", 1);
    const reply = calls(
      ["a", "ask_question", { question: "First?" }],
      ["b", "meet", { at: "2" }],
      ["c", "ask_question", { question: "Second?" }],
    );
    const machine = new Machine([reply, says("done")], [meet]);
    const session = await machine.start({
      tools: ["meet", "ask_question"],
      rules: { meet: "allow", ask_question: "allow" },
    });
    assert.equal(await session.run(never), "waiting");
    assert.deepEqual(
      session.view.openWaits.map(({ wait }) => wait),
      ["turn/1/tool/a/answer", "turn/1/tool/c/answer"],
    );
    assert.equal(meet.most(), 1);
    const [summary] = await machine.driver.list();
    assert.equal(summary?.last.kind, "session.parked", "a list sees that it waits");
    const answer = { digest: null, value: "yes", by };
    const again = await machine.reload();
    assert.equal(await again.answer({ wait: "turn/1/tool/c/answer", ...answer }, never), "waiting");
    assert.equal(
      await again.answer({ wait: "turn/1/tool/a/answer", ...answer }, never),
      "completed",
    );
  });

  test("a command waits for the approval of the one before it, for it would find other files", async () => {
    const reply = calls(["a", "exec", { command: "one" }], ["b", "exec", { command: "two" }]);
    const machine = new Machine([reply, says("done")]);
    const session = await machine.start({ rules: { exec: "ask" } });
    assert.equal(await session.run(never), "waiting");
    assert.equal(session.view.openWaits.length, 2, "both are asked about at once");
    await session.answer({ wait: "turn/1/tool/b/approval", ...yes }, never);
    assert.deepEqual(machine.commands, []);
    await session.answer({ wait: "turn/1/tool/a/approval", ...no }, never);
    assert.deepEqual(machine.commands, ["two"]);
    assert.equal(session.view.status, "completed");
  });

  for (const first of ["command", "question"]) {
    test(`a command that is done and a question that was answered since go on together, the ${first} first`, async () => {
      const command = ["a", "exec", { command: "one" }] as const;
      const question = ["q", "ask_question", { question: "Go on?" }] as const;
      const asked = first === "command" ? [command, question] : [question, command];
      const machine = new Machine([calls(...asked), says("done")]);
      const session = await machine.start({ rules: { exec: "ask", ask_question: "allow" } });
      await session.run(never);
      const approved = { wait: "turn/1/tool/a/approval", ...yes };
      assert.equal(await session.answer(approved, never), "waiting");
      assert.deepEqual(machine.commands, ["one"]);
      const answer = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
      assert.equal(await (await machine.reload()).answer(answer, never), "completed");
      assert.deepEqual(machine.commands, ["one"]);
    });
  }

  test("an answer that comes while another call still runs is taken up by the same run", async () => {
    let release: () => void = () => {};
    let begin: () => void = () => {};
    const started = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const slow = defineTool({
      name: "slow",
      description: "waits",
      args: z.object({}),
      effect: "none",
      what: () => "wait",
      run: async () => {
        begin();
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return { text: "done", ok: true };
      },
    });
    const reply = calls(["s", "slow", {}], ["q", "ask_question", { question: "Go on?" }]);
    const machine = new Machine([reply, says("done")], [slow]);
    const session = await machine.start({
      tools: ["slow", "ask_question"],
      rules: { slow: "allow", ask_question: "allow" },
    });
    const run = session.run(never);
    await started;
    while (session.view.openWaits.length === 0) await delay(1);
    const answer = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
    assert.equal(await session.answerWhileRunning(answer), true);
    release();
    assert.equal(await run, "completed");
    assert.equal(await session.answerWhileRunning(answer), false);
  });

  test("an id that the model uses twice is two steps", async () => {
    const machine = new Machine([runs("same"), runs("same"), says("done")]);
    const session = await machine.start();
    assert.equal(await session.run(never), "completed");
    const [turn] = session.view.turns;
    assert.deepEqual(
      turn?.calls.map(({ step, output }) => [step, output !== null]),
      [
        ["turn/1/model", true],
        ["turn/1/tool/same", true],
        ["turn/1/model#2", true],
        ["turn/1/tool/same#2", true],
        ["turn/1/model#3", true],
      ],
    );
  });
});

suite("two prompts are two turns", () => {
  const fault = new CairnError("model.rejected", "The endpoint refused the request.");

  async function failedBetween(profile: object): Promise<Machine> {
    const machine = new Machine([
      ...listThenDone,
      fault,
      ...listThenDone,
      says("second part"),
      says("spare"),
    ]);
    machine.prompts = ["first", "second"];
    const session = await machine.start({ strategy: "turn", apply: "onRequest", ...profile });
    assert.equal(await session.run(never), "failed");
    assert.equal(machine.model.calls, 3);
    assert.deepEqual(machine.commands, ["ls"]);
    return machine;
  }

  test("a retry takes the first from its checkpoint and runs the second; the output has both parts", async () => {
    const machine = await failedBetween({});
    const session = await machine.reload();
    assert.equal(await session.retry(never), "completed");
    assert.deepEqual(machine.commands, ["ls", "ls"]);
    assert.equal(machine.model.calls, 5);
    assert.equal(session.view.ended?.output, "done\n\ndone");
    assert.deepEqual(
      session.view.turns.map(({ turn, prompt }) => [turn, prompt]),
      [
        [1, "first"],
        [2, "second"],
      ],
    );
    const turns = session.records.filter(
      (record) => record.kind === "step.completed" && record.stepKind === "turn",
    );
    assert.equal(turns.length, 2, "with the strategy turn each turn is a checkpoint");
  });

  test("with the cache off both turns run again", async () => {
    const machine = await failedBetween({ cache: "off" });
    const session = await machine.reload();
    assert.equal(await session.retry(never), "completed");
    assert.deepEqual(machine.commands, ["ls", "ls"]);
    assert.equal(machine.model.calls, 6);
    assert.equal(session.view.ended?.output, "done\n\nsecond part");
  });

  test("with the cache off a crash still repeats nothing: only a retry is a new attempt", async () => {
    const machine = new Machine([runs("a"), asks("q"), says("done")]);
    const session = await machine.start({ cache: "off" });
    assert.equal(await session.run(never), "waiting");
    const again = await machine.reload();
    const answer = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
    assert.equal(await again.answer(answer, never), "completed");
    assert.deepEqual([machine.model.calls, machine.commands.length], [3, 1]);
  });
});

test("a session that was queued has its copy on record before anything runs, and goes on elsewhere without the folder", async () => {
  const machine = new Machine(listThenDone);
  const queued = await machine.start();
  await queued.prepare(never);
  assert.equal(machine.model.calls, 0);
  assert.deepEqual(
    queued.records.map((record) => ("step" in record ? record.step : record.kind)),
    ["session.started", "workspace/base"],
  );
  const elsewhere = await machine.reload();
  assert.equal(await elsewhere.resume(never), "completed");
  assert.equal(machine.trees.seeds, 1);
  assert.deepEqual(machine.commands, ["ls"]);
});
