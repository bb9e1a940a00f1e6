import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import type { Profile } from "../../src/core/profileRecord.ts";
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

/** Changes one plain file and two that something runs. */
async function guarded(profile: Partial<Profile>): Promise<[Machine, Session]> {
  const [machine, session] = await changed(profile);
  const change = (path: string) =>
    ({ path, change: "added", diff: "+x", binary: false, conflict: null }) as const;
  const guard = "an editor runs it";
  machine.trees.plan = async () => [
    change("fine.txt"),
    { ...change(".vscode/tasks.json"), guard },
    { ...change(".envrc"), guard },
  ];
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

  test("what was applied can be taken back, once, and applied again", async () => {
    const [machine, session] = await changed();
    await assert.rejects(session.undo(never), { code: "session.busy" });
    await session.answer({ wait: "apply/proposed/approval", ...yes }, never);
    assert.equal(await session.undo(never), "waiting");
    assert.equal(machine.trees.user, "changed by the agent");
    assert.match(session.view.openWaits[0]?.question ?? "", /^Take back 1 change in your folder/);
    await session.answer({ wait: "undo/1/approval", ...yes }, never);
    assert.equal(machine.trees.user, "original");
    assert.equal(session.view.applied, false);
    assert.equal(session.view.ended?.output, "Took back 1 file in your folder.");
    await assert.rejects(session.undo(never), { code: "apply.nothing" });
    const reloaded = await machine.reload();
    await reloaded.apply(never);
    await reloaded.answer({ wait: "apply/1/approval", ...yes }, never);
    assert.equal(machine.trees.user, "changed by the agent");
    await reloaded.undo(never);
    await reloaded.answer({ wait: "undo/2/approval", ...yes }, never);
    assert.equal(machine.trees.user, "original");
    assert.equal(machine.model.calls, 2);
  });

  test("an undo that was cut off by a crash is asked about before it is finished", async () => {
    const [machine, session] = await changed();
    await session.answer({ wait: "apply/proposed/approval", ...yes }, never);
    await session.undo(never);
    machine.driver.beforeAppend = (body) => {
      if (body.kind === "step.completed" || body.kind === "session.ended")
        throw new Error("killed");
    };
    await assert.rejects(session.answer({ wait: "undo/1/approval", ...yes }, never));
    machine.driver.beforeAppend = () => {};
    const reloaded = await machine.reload();
    assert.equal(await reloaded.resume(never), "waiting");
    const [wait] = reloaded.view.openWaits;
    assert.match(JSON.stringify(wait?.subject), /1 of 1 file is as before the apply/);
    const happened = { digest: null, value: { choice: "happened" as const }, by };
    await reloaded.answer({ wait: "undo/1/inDoubt/1", ...happened }, never);
    assert.equal(machine.trees.user, "original");
    assert.equal(reloaded.view.applied, false);
  });

  test("each file that something runs without asking has a card of its own, whatever is said to the rest", async () => {
    const [machine, session] = await guarded({ apply: "onRequest" });
    assert.equal(await session.apply(never), "waiting");
    const waits = session.view.openWaits.map(({ wait, question }) => [wait, question]);
    const protectedBy = (path: string): string =>
      `Apply ${path} to your folder? It is protected: an editor runs it.`;
    assert.deepEqual(waits, [
      ["apply/1/approval", "Apply 1 change to your folder?"],
      ["apply/1/protected/1", protectedBy(".vscode/tasks.json")],
      ["apply/1/protected/2", protectedBy(".envrc")],
    ]);
    const written: (readonly string[])[] = [];
    machine.trees.apply = async (_base, _tree, changes = []) => {
      written.push(changes.map(({ path }) => path));
    };
    await session.answer({ wait: "apply/1/protected/2", ...yes }, never);
    await session.answer({ wait: "apply/1/approval", ...yes }, never);
    assert.deepEqual(written, [], "one card is open still");
    const no = { digest: null, value: { approved: false, note: "" }, by };
    await session.answer({ wait: "apply/1/protected/1", ...no }, never);
    assert.deepEqual(written, [["fine.txt", ".envrc"]]);
    assert.match(session.view.ended?.output ?? "", /^Applied 2 files .* 1 file left as it was\.$/);
  });

  test("unattended, a file that something runs without asking is refused", async () => {
    const [machine, session] = await guarded({ apply: "onRequest", unattended: true });
    const written: (readonly string[])[] = [];
    machine.trees.apply = async (_base, _tree, changes = []) => {
      written.push(changes.map(({ path }) => path));
    };
    await session.apply(never);
    assert.deepEqual(
      session.view.openWaits.map(({ wait }) => wait),
      ["apply/1/approval"],
    );
    await session.answer({ wait: "apply/1/approval", ...yes }, never);
    assert.deepEqual(written, [["fine.txt"]]);
    const write = session.records.findLast((record) => record.kind === "step.completed");
    assert.match(JSON.stringify(write), /Protected, for an editor runs it; nobody is there/);
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
