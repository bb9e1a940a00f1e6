import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as z from "zod";
import { CairnError } from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/records.ts";
import { defineTool } from "../../src/core/tool.ts";
import { asks, by, calls, listThenDone, Machine, never, runs, says } from "./machine.ts";

const steps = (records: readonly SessionRecord[]): string[] =>
  records.map((record) => {
    if ("step" in record) return `${record.kind} ${record.step}`;
    return "wait" in record ? `${record.kind} ${record.wait}` : record.kind;
  });

suite("a session", () => {
  test("every model call and tool call is a record, in the order they happened", async () => {
    const machine = new Machine(listThenDone);
    const session = await machine.start();
    assert.equal(await session.run(never), "completed");
    assert.deepEqual(steps(session.records), [
      "session.started",
      "step.completed turn/1/model",
      "step.completed workspace/base",
      "step.started turn/1/tool/a",
      "step.completed turn/1/tool/a",
      "step.completed turn/1/model#2",
      "session.ended",
    ]);
  });

  test("an approval given after a window reload continues without repeating anything", async () => {
    const machine = new Machine(listThenDone);
    const session = await machine.start({ rules: { exec: "ask" } });
    assert.equal(await session.run(never), "waiting");
    assert.deepEqual(machine.commands, []);
    const reloaded = await machine.reload();
    const wait = "turn/1/tool/a/approval";
    const value = { approved: true, note: "" };
    assert.equal(await reloaded.answer({ wait, digest: null, value, by }, never), "completed");
    assert.deepEqual(
      { calls: machine.model.calls, commands: machine.commands },
      {
        calls: 2,
        commands: ["ls"],
      },
    );
  });

  test("the user's folder is copied once: a resumed session works on its own changes", async () => {
    const ask = calls(["q", "ask_question", { question: "Go on?" }]);
    const write = calls(["a", "exec", { command: "write" }]);
    const machine = new Machine([
      write,
      ask,
      calls(["b", "exec", { command: "read" }]),
      says("done"),
    ]);
    const session = await machine.start({ apply: "onRequest" });
    machine.sandbox.onRun = async () => {
      machine.trees.content = "changed";
    };
    await session.run(never);
    const reloaded = await machine.reload();
    await reloaded.answer({ wait: "turn/1/tool/q/answer", digest: null, value: "yes", by }, never);
    assert.deepEqual([machine.trees.seeds, machine.trees.content], [1, "changed"]);
  });

  test("a rejection is told to the model with its reason, and nothing runs", async () => {
    const machine = new Machine(listThenDone);
    const session = await machine.start({ rules: { exec: "ask" } });
    await session.run(never);
    const wait = "turn/1/tool/a/approval";
    await session.answer(
      { wait, digest: null, value: { approved: false, note: "not now" }, by },
      never,
    );
    assert.deepEqual(machine.commands, []);
    assert.match(JSON.stringify(machine.model.requests[1]?.messages.at(-1)), /not now/);
  });

  test("the first answer wins and a later one is refused by name", async () => {
    const machine = new Machine(listThenDone);
    const first = await machine.start({ rules: { exec: "ask" } });
    await first.run(never);
    const second = await machine.reload();
    const answer = {
      wait: "turn/1/tool/a/approval",
      digest: null,
      value: { approved: true, note: "" },
      by,
    };
    await first.answer(answer, never);
    await assert.rejects(second.answer(answer, never), { code: "wait.answered" });
    assert.deepEqual(machine.commands, ["ls"]);
  });

  test("an invalid answer and an answer to something else leave the wait open", async () => {
    const machine = new Machine(listThenDone);
    const session = await machine.start({ rules: { exec: "ask" } });
    await session.run(never);
    const wait = "turn/1/tool/a/approval";
    const good = { approved: true, note: "" };
    await assert.rejects(session.answer({ wait, digest: null, value: "maybe", by }, never), {
      code: "wait.invalidAnswer",
    });
    await assert.rejects(session.answer({ wait, digest: "stale", value: good, by }, never), {
      code: "wait.invalidAnswer",
    });
    await assert.rejects(session.answer({ wait: "x", digest: null, value: good, by }, never), {
      code: "wait.unknown",
    });
    assert.equal(session.view.status, "waiting");
  });

  test("the same question twice in a turn is two waits", async () => {
    const question = { question: "Which?", choices: ["a", "b"] };
    const machine = new Machine([
      calls(["q1", "ask_question", question], ["q2", "ask_question", question]),
      says("thanks"),
    ]);
    const session = await machine.start();
    await session.run(never);
    await session.answer({ wait: "turn/1/tool/q1/answer", digest: null, value: "a", by }, never);
    assert.equal(session.view.status, "waiting");
    await session.answer({ wait: "turn/1/tool/q2/answer", digest: null, value: "b", by }, never);
    assert.equal(session.view.status, "completed");
    assert.equal(machine.model.calls, 2);
  });

  test("a call that only looks sees the files as they are on record, also first after a crash", async () => {
    const seen: string[] = [];
    const look = defineTool({
      name: "look",
      description: "look",
      args: z.object({}),
      effect: "reads",
      what: () => "look",
      run: async () => {
        seen.push(machine.trees.content);
        return { text: machine.trees.content, ok: true };
      },
    });
    const machine = new Machine(
      [runs("write"), asks("q"), calls(["l", "look", {}]), says("done")],
      [look],
    );
    const session = await machine.start({
      tools: ["exec", "ask_question", "look"],
      rules: { exec: "allow", ask_question: "allow", look: "allow" },
    });
    machine.sandbox.onRun = async () => {
      machine.trees.content = "written";
    };
    assert.equal(await session.run(never), "waiting");
    machine.trees.content = "of an unrecorded process";
    const reloaded = await machine.reload();
    const [open] = reloaded.view.openWaits;
    assert.ok(open !== undefined);
    await reloaded.answer({ wait: open.wait, digest: null, value: "yes", by }, never);
    assert.deepEqual(seen, ["written"]);
  });

  test("a command cut off by a crash runs again only after its files are brought back", async () => {
    const machine = new Machine(listThenDone);
    const session = await machine.start();
    machine.sandbox.onRun = async () => {
      machine.trees.content = "half written";
      throw new Error("killed");
    };
    machine.driver.beforeAppend = (body) => {
      if (body.kind === "step.failed" || body.kind === "session.ended") throw new Error("killed");
    };
    await assert.rejects(session.run(never));
    machine.driver.beforeAppend = () => {};
    const reloaded = await machine.reload();
    machine.sandbox.onRun = async () => assert.equal(machine.trees.content, "original");
    assert.equal(await reloaded.resume(never), "completed");
    assert.deepEqual(machine.commands, ["ls", "ls"]);
    assert.equal(machine.model.calls, 2);
  });

  test("an external effect that may have happened is asked about, never repeated silently", async () => {
    let sent = 0;
    const publish = defineTool({
      name: "publish",
      description: "sends",
      args: z.object({}),
      effect: "external",
      what: () => "send a message",
      run: async () => {
        sent += 1;
        return { text: "sent", ok: true };
      },
    });
    const machine = new Machine([calls(["p", "publish", {}]), says("done")], [publish]);
    const session = await machine.start({ tools: ["publish"], rules: { publish: "allow" } });
    machine.driver.beforeAppend = (body) => {
      if (body.kind !== "step.started" && body.kind !== "step.completed") return;
      if (body.kind === "step.completed" && body.step.endsWith("/p")) throw new Error("killed");
    };
    await session.run(never);
    machine.driver.beforeAppend = () => {};
    const failed = await machine.reload();
    assert.equal(failed.view.status, "failed");
    assert.equal(await failed.retry(never), "waiting");
    const [wait] = failed.view.openWaits;
    assert.equal(wait?.wait, "turn/1/tool/p/inDoubt/1");
    const value = { choice: "skip" };
    await failed.answer({ wait: wait.wait, digest: wait.digest, value, by }, never);
    assert.equal(failed.view.status, "completed");
    assert.equal(sent, 1);
  });

  test("after a restart the model is told that the shell is new", async () => {
    const machine = new Machine([
      calls(["a", "exec", { command: "cd /tmp" }]),
      calls(["q", "ask_question", { question: "Go on?" }]),
      calls(["b", "exec", { command: "pwd" }]),
      says("done"),
    ]);
    await (await machine.start()).run(never);
    const reloaded = await machine.reload();
    await reloaded.answer({ wait: "turn/1/tool/q/answer", digest: null, value: "yes", by }, never);
    const output = JSON.stringify(machine.model.requests.at(-1)?.messages.at(-1));
    assert.match(output, /resumed in a new shell/);
  });

  test("the shell stays when the answer comes while the session still has it", async () => {
    const machine = new Machine([
      calls(["a", "exec", { command: "cd /tmp" }]),
      calls(["q", "ask_question", { question: "Go on?" }]),
      calls(["b", "exec", { command: "pwd" }]),
      says("done"),
    ]);
    const session = await machine.start();
    await session.run(never);
    await session.answer({ wait: "turn/1/tool/q/answer", digest: null, value: "yes", by }, never);
    assert.doesNotMatch(JSON.stringify(machine.model.requests.at(-1)), /new shell/);
    assert.equal(machine.sandbox.starts, 1);
  });

  test("a profile without exec: the tool is absent from the request that the model gets", async () => {
    const machine = new Machine([says("hello")]);
    await (await machine.start({ tools: ["ask_question"] })).run(never);
    assert.deepEqual(
      machine.model.requests[0]?.tools.map((tool) => tool.name),
      ["ask_question"],
    );
  });

  test("what goes wrong with a call is told to the model: unknown tool, arguments that are not JSON or do not fit", async () => {
    const machine = new Machine([
      calls(["a", "nothing", {}], ["b", "exec", "{not json"], ["c", "exec", { cmd: 1 }]),
      says("sorry"),
    ]);
    const session = await machine.start();
    assert.equal(await session.run(never), "completed");
    assert.deepEqual(machine.commands, []);
    const told = machine.model.requests[1]?.messages.slice(-3).map((message) => message);
    assert.match(JSON.stringify(told), /There is no tool.*are not JSON.*do not fit/);
  });

  test("unattended, what would be asked is denied and counted", async () => {
    const machine = new Machine(listThenDone);
    const session = await machine.start({ rules: { exec: "ask" }, unattended: true });
    assert.equal(await session.run(never), "completed");
    assert.deepEqual(machine.commands, []);
    assert.equal(session.view.ended?.denied, 1);
  });

  test("failed attempts of a model call are recorded, then the success", async () => {
    const cut = new CairnError("model.cut", "The stream was cut.", { retryable: true });
    const machine = new Machine([cut, cut, says("done")]);
    const session = await machine.start();
    assert.equal(await session.run(never), "completed");
    assert.deepEqual(steps(session.records).slice(1, 4), [
      "step.failed turn/1/model",
      "step.failed turn/1/model",
      "step.completed turn/1/model",
    ]);
  });

  test("a failed session goes on with retry from the step that failed, and only a failed one can", async () => {
    const refused = new CairnError("model.unauthorized", "The endpoint refused the key.");
    const machine = new Machine([calls(["a", "exec", { command: "ls" }]), refused, says("done")]);
    const session = await machine.start();
    assert.equal(await session.run(never), "failed");
    assert.equal(session.view.ended?.failure?.code, "model.unauthorized");
    assert.equal(await session.retry(never), "completed");
    assert.deepEqual(machine.commands, ["ls"]);
    await assert.rejects(session.retry(never), { code: "session.notFailed" });
    await assert.rejects(session.resume(never), { code: "session.ended" });
  });

  test("a stop is a polite crash: nothing is recorded as failed and resume goes on", async () => {
    const machine = new Machine(listThenDone);
    const session = await machine.start();
    const abort = new AbortController();
    machine.sandbox.onRun = async () => abort.abort(new CairnError("cancelled", "stopped"));
    assert.equal(await session.run(abort.signal), "running");
    const reloaded = await machine.reload();
    assert.equal(await reloaded.resume(never), "completed");
    assert.equal(machine.model.calls, 2);
  });

  test("what another process did meanwhile is caught up with: its files, and a new shell", async () => {
    const machine = new Machine([
      runs("a"),
      asks("q1"),
      runs("b"),
      asks("q2"),
      runs("c"),
      says("done"),
    ]);
    const here = await machine.start({ apply: "onRequest" });
    const { sandbox } = machine;
    await here.run(never);
    const there = await machine.reload();
    machine.sandbox.onRun = async () => {
      machine.trees.content = "changed there";
    };
    await there.answer({ wait: "turn/1/tool/q1/answer", digest: null, value: "yes", by }, never);
    machine.trees.content = "left behind";
    sandbox.onRun = async () => assert.equal(machine.trees.content, "changed there");
    await here.answer({ wait: "turn/1/tool/q2/answer", digest: null, value: "yes", by }, never);
    assert.equal(here.view.status, "completed");
    assert.equal(sandbox.starts, 2);
    const resumed = here.records.filter((record) => record.kind === "session.resumed");
    assert.deepEqual(
      resumed.map(({ reason, newShell }) => [reason, newShell]),
      [
        ["answer", true],
        ["answer", true],
      ],
    );
    assert.match(JSON.stringify(machine.model.requests.at(-1)?.messages.at(-1)), /new shell/);
  });

  test("a record that cannot be written leaves the session as it was, not failed", async () => {
    const machine = new Machine([says("lost"), says("done")]);
    const session = await machine.start();
    let failures = 1;
    machine.driver.beforeAppend = () => {
      failures -= 1;
      if (failures >= 0) throw new CairnError("store.unwritable", "The disk is full.");
    };
    await assert.rejects(session.run(never), { code: "store.unwritable" });
    assert.equal(session.view.status, "running");
    assert.equal(await (await machine.reload()).resume(never), "completed");
  });

  test("a disk that is full pauses the session and nothing false is recorded", async () => {
    const machine = new Machine(listThenDone);
    const session = await machine.start();
    let full = true;
    machine.driver.beforeAppend = () => {
      if (full) throw new CairnError("store.unwritable", "The disk is full.");
    };
    await assert.rejects(session.run(never), { code: "store.unwritable" });
    assert.deepEqual(steps(session.records), ["session.started"]);
    full = false;
    const reloaded = await machine.reload();
    machine.model.requests.length = 0;
    assert.equal(await reloaded.resume(never), "completed");
  });

  test("records that were made with another model stop the session before any effect", async () => {
    const machine = new Machine([...listThenDone, says("never")]);
    await (await machine.start({ rules: { exec: "ask" } })).run(never);
    const records = await machine.driver.read("s");
    const first = records[0];
    assert.ok(first?.kind === "session.started");
    Object.assign(first.spec.model, { url: "elsewhere" });
    const reloaded = await machine.reload();
    const value = { approved: true, note: "" };
    await reloaded.answer({ wait: "turn/1/tool/a/approval", digest: null, value, by }, never);
    assert.equal(reloaded.view.ended?.failure?.code, "flow.diverged");
    assert.match(reloaded.view.ended?.failure?.message ?? "", /turn\/1\/model.*\(model\)/);
    assert.deepEqual(machine.commands, []);
  });
});
