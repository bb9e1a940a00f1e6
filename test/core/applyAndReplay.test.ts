import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import type { Profile } from "../../src/core/records.ts";
import type { Session } from "../../src/core/session.ts";
import { by, calls, listThenDone, Machine, never, says } from "./machine.ts";

async function changed(profile: Partial<Profile> = {}): Promise<[Machine, Session]> {
  const machine = new Machine(listThenDone);
  const session = await machine.start(profile);
  machine.sandbox.onRun = async () => {
    machine.trees.content = "changed by the agent";
  };
  await session.run(never);
  return [machine, session];
}

suite("applying changes", () => {
  const yes = { digest: null, value: { approved: true, note: "" }, by };

  test("the user's folder is untouched until the diff is approved", async () => {
    const [machine, session] = await changed();
    assert.equal(session.view.status, "waiting");
    assert.equal(machine.trees.user, "original");
    const [wait] = session.view.openWaits;
    assert.match(JSON.stringify(wait?.subject), /changed by the agent/);
    await session.answer({ wait: "apply/proposed/approval", ...yes }, never);
    assert.equal(machine.trees.user, "changed by the agent");
    assert.equal(session.view.applied, true);
    assert.match(session.view.ended?.output ?? "", /Applied 1 file to your folder/);
  });

  test("a rejected apply ends the session, and can be asked for again later", async () => {
    const [machine, session] = await changed();
    const no = { digest: null, value: { approved: false, note: "" }, by };
    assert.equal(
      await session.answer({ wait: "apply/proposed/approval", ...no }, never),
      "completed",
    );
    assert.equal(machine.trees.user, "original");
    assert.equal(await session.apply(never), "waiting");
    assert.equal(await session.answer({ wait: "apply/1/approval", ...yes }, never), "completed");
    assert.equal(machine.trees.user, "changed by the agent");
    assert.equal(machine.model.calls, 2);
  });

  test("an apply that was cut off by a crash is asked about before it is finished", async () => {
    const [machine, session] = await changed({ apply: "onRequest" });
    await session.apply(never);
    machine.driver.beforeAppend = (body) => {
      if (body.kind === "step.completed" || body.kind === "session.ended")
        throw new Error("killed");
    };
    await assert.rejects(session.answer({ wait: "apply/1/approval", ...yes }, never));
    machine.driver.beforeAppend = () => {};
    const reloaded = await machine.reload();
    assert.equal(await reloaded.resume(never), "waiting");
    const [wait] = reloaded.view.openWaits;
    assert.equal(wait?.wait, "apply/1/inDoubt/1");
    assert.match(JSON.stringify(wait?.subject), /In your folder 1 of 1 file is as in the session/);
    assert.equal(
      await reloaded.answer(
        { wait: "apply/1/inDoubt/1", digest: null, value: { choice: "happened" }, by },
        never,
      ),
      "completed",
    );
    assert.equal(machine.model.calls, 2);
  });

  test("an apply that stops midway says what it applied before", async () => {
    const [machine, session] = await changed();
    machine.trees.apply = async () => {
      machine.trees.plan = async () => [];
      throw new CairnError("apply.readOnly", "another cannot be written.");
    };
    await session.answer({ wait: "apply/proposed/approval", ...yes }, never);
    assert.match(
      session.view.ended?.output ?? "",
      /Applied 1 file to your folder, then it stopped: another cannot be written\./,
    );
    assert.equal(session.view.applied, false);
  });

  test("a session that changed nothing has nothing to apply", async () => {
    const machine = new Machine([says("hello")]);
    const session = await machine.start();
    await session.run(never);
    await assert.rejects(session.apply(never), { code: "apply.nothing" });
  });
});

suite("a replay", () => {
  test("serves every result from the record: no model call, no command, the source unchanged", async () => {
    const machine = new Machine(listThenDone);
    await (await machine.start()).run(never);
    const before = await machine.driver.read("s");
    const replayed = await machine.derive("s", "r");
    assert.equal(await replayed.run(never), "completed");
    assert.deepEqual(
      { calls: machine.model.calls, commands: machine.commands },
      { calls: 2, commands: ["ls"] },
    );
    assert.equal(replayed.view.ended?.output, "done");
    assert.deepEqual(await machine.driver.read("s"), before);
  });

  test("does not ask again what was answered, and says that the answer was replayed", async () => {
    const machine = new Machine([calls(["q", "ask_question", { question: "Go on?" }]), says("ok")]);
    const session = await machine.start();
    await session.run(never);
    await session.answer({ wait: "turn/1/tool/q/answer", digest: null, value: "yes", by }, never);
    const replayed = await machine.derive("s", "r");
    assert.equal(await replayed.run(never), "completed");
    assert.deepEqual(
      replayed.view.answered.map((given) => given.by.surface),
      ["replay"],
    );
  });

  test("past the end of the recording it stops with an error and runs nothing", async () => {
    const machine = new Machine([
      calls(["a", "exec", { command: "ls" }]),
      new CairnError("model.rejected", "no"),
    ]);
    await (await machine.start()).run(never);
    const replayed = await machine.derive("s", "r");
    assert.equal(await replayed.run(never), "failed");
    assert.equal(replayed.view.ended?.failure?.code, "replay.miss");
    assert.equal(machine.model.calls, 2);
  });
});
