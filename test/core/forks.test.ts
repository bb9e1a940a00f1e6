import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as z from "zod";
import { agentFlow } from "../../src/core/agent.ts";
import { explain } from "../../src/core/explain.ts";
import { defineTool, type Effect, type Tool } from "../../src/core/tool.ts";
import { asks, by, calls, Machine, never, runs, says } from "./machine.ts";

suite("results for the whole workspace", () => {
  function lookup(effect: Effect): { readonly tool: Tool; readonly ran: () => number } {
    let ran = 0;
    const tool = defineTool({
      name: "lookup",
      description: "looks up",
      args: z.object({ word: z.string() }),
      effect,
      what: ({ word }) => word,
      run: async ({ word }) => ({ text: `${word} ${(ran += 1)}`, ok: true }),
    });
    return { tool, ran: () => ran };
  }
  const asked = [calls(["l", "lookup", { word: "a" }]), says("done")];
  const profile = {
    tools: ["lookup"],
    rules: { lookup: "allow" as const },
    cache: "workspace" as const,
  };

  test("a pure result is served to another session, and says from where", async () => {
    const { tool, ran } = lookup("none");
    const machine = new Machine([...asked, ...asked], [tool]);
    await (await machine.start(profile)).run(never);
    const second = await machine.start(profile, "t");
    assert.equal(await second.run(never), "completed");
    assert.equal(ran(), 1);
    assert.equal(machine.model.calls, 2, "the model's answers are pure too");
    const told = explain(second.records, "turn/1/tool/l");
    assert.equal(told.outcome, "cache");
    assert.match(told.why, /Session s of this workspace did the same work with the same key/);
  });

  test("an effect is never served from another session", async () => {
    const { tool, ran } = lookup("external");
    const machine = new Machine([...asked, says("done")], [tool]);
    await (await machine.start(profile)).run(never);
    await (await machine.start(profile, "t")).run(never);
    assert.equal(ran(), 2);
  });

  test("what was kept for its session only, or not at all, is not served to others", async () => {
    for (const cache of ["session", "off"] as const) {
      const { tool, ran } = lookup("none");
      const machine = new Machine([...asked, ...asked], [tool]);
      await (await machine.start({ ...profile, cache })).run(never);
      await (await machine.start(profile, "t")).run(never);
      assert.equal(ran(), 2);
    }
  });
});

suite("a fork", () => {
  test("serves what is before its point, and is on its own behind it: effects are new, with new operations", async () => {
    let sent = 0;
    const operations: string[] = [];
    const publish = defineTool({
      name: "publish",
      description: "sends",
      args: z.object({}),
      effect: "external",
      what: () => "send",
      run: async (_, { operation }) => {
        operations.push(operation);
        return { text: `sent ${(sent += 1)}`, ok: true };
      },
    });
    const script = [runs("a"), calls(["p", "publish", {}]), says("done")];
    const machine = new Machine(
      [...script, calls(["p", "publish", {}]), says("forked")],
      [publish],
    );
    const allowed = {
      tools: ["exec", "publish"],
      rules: { exec: "allow", publish: "allow" },
    } as const;
    await (await machine.start({ ...allowed, tools: [...allowed.tools] })).run(never);
    const fork = await machine.derive("s", "f", { mode: "fork", at: "turn/1/model#2" });
    assert.equal(await fork.run(never), "completed");
    assert.deepEqual([machine.model.calls, machine.commands.length, sent], [5, 1, 2]);
    assert.notEqual(operations[0], operations[1]);
    assert.equal(fork.view.ended?.output, "forked");
  });

  test("without a point it goes on where the source is, and the source can go its own way", async () => {
    const machine = new Machine([asks("q"), says("in the source"), says("in the fork")]);
    const session = await machine.start();
    await session.run(never);
    const fork = await machine.derive("s", "f", { mode: "fork" });
    assert.equal(await fork.run(never), "waiting");
    assert.equal(machine.model.calls, 1);
    const answer = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
    assert.equal(await session.answer(answer, never), "completed");
    assert.equal(await fork.answer({ ...answer, value: "no" }, never), "completed");
    assert.equal(fork.view.ended?.output, "in the fork");
  });

  test("asks again behind its point what the source was asked", async () => {
    const machine = new Machine([asks("q"), says("one"), asks("q"), says("two")]);
    const session = await machine.start();
    await session.run(never);
    const answer = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
    await session.answer(answer, never);
    const fork = await machine.derive("s", "f", { mode: "fork", at: "turn/1/model#1" });
    assert.equal(await fork.run(never), "waiting");
  });
});

suite("what was recorded by other code", () => {
  test("another version of the flow stops before anything is done or recorded", async () => {
    const machine = new Machine([asks("q"), says("done")]);
    await (await machine.start()).run(never);
    const [first] = await machine.driver.read("s");
    assert.ok(first?.kind === "session.started");
    Object.assign(first.spec.flow ?? {}, { version: agentFlow.version + 1 });
    const reloaded = await machine.reload();
    const count = reloaded.records.length;
    const answer = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
    await assert.rejects(reloaded.answer(answer, never), {
      code: "flow.diverged",
      message: /by version 3 of the flow agent, and this Cairn has version 2/,
    });
    assert.equal((await machine.driver.read("s")).length, count);
    assert.equal(reloaded.view.status, "waiting");
  });

  test("a profile that means something else now stops the same way", async () => {
    const machine = new Machine([asks("q"), says("done")]);
    await (await machine.start()).run(never);
    const [first] = await machine.driver.read("s");
    assert.ok(first?.kind === "session.started");
    Object.assign(first.spec.profile, { commandTimeoutMs: 1 });
    const reloaded = await machine.reload();
    const answer = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
    await assert.rejects(reloaded.answer(answer, never), { code: "flow.diverged" });
  });

  test("a flow that is not there is named with those that are", async () => {
    const machine = new Machine([]);
    const session = await machine.startFlow({ name: "gone", version: 1, run: async () => null });
    machine.flows = [];
    const reloaded = await machine.reload();
    await assert.rejects(reloaded.resume(never), {
      code: "flow.unknown",
      message: "There is no flow gone. There are: agent.",
    });
    assert.equal(session.records.length, 1);
  });
});
