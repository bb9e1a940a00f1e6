import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { by, never, says } from "./machine.ts";
import { answer, curl, online, page, waits, wire, yes } from "./online.ts";

suite("a request that was refused, and what comes between", () => {
  test("goes on after a crash at each point, and nothing is asked or run twice", async () => {
    const points = ["step.completed", "wait.opened", "wait.answered", "session.ended"] as const;
    for (const point of points) {
      const { machine, way } = online([curl("a"), curl("b"), says("done")]);
      let session = await machine.start();
      wire(machine, way);
      let crashed = false;
      machine.driver.beforeAppend = (body) => {
        const isHere =
          body.kind === point &&
          (point !== "step.completed" || ("step" in body && body.step === "turn/1/tool/a"));
        if (crashed || !isHere) return;
        crashed = true;
        throw new Error("the power is gone");
      };
      const reload = async (): Promise<void> => {
        session = await machine.reload();
        wire(machine, way);
      };
      for (let tries = 0; tries < 6 && session.view.status !== "completed"; tries += 1) {
        try {
          const { status, openWaits } = session.view;
          if (openWaits.length > 0) await answer(session, { ...yes, grant: "session" });
          else if (status === "running" && tries > 0) await session.resume(never);
          else await session.run(never);
        } catch {
          await reload();
        }
      }
      assert.ok(crashed, point);
      assert.equal(session.view.status, "completed", point);
      assert.deepEqual(waits(session.records), ["turn/1/tool/a/egress/1"], point);
      assert.equal(way.passed.at(-1), `GET ${page}`, point);
      assert.equal(machine.model.calls, 3, point);
    }
  });

  test("allowed, and the process dies before the rule is kept: the next command goes out all the same", async () => {
    const { machine, way } = online([curl("a"), curl("b"), says("done")]);
    machine.grant = async () => {
      throw new Error("the power is gone");
    };
    const session = await machine.start();
    wire(machine, way);
    await session.run(never);
    await assert.rejects(answer(session, { ...yes, grant: "always" }));
    const later = await machine.reload();
    wire(machine, way);
    assert.equal(await later.resume(never), "completed");
    assert.deepEqual(way.passed, [`GET ${page}`]);
  });

  test("takes the first answer of two, and one in a replay as it was given, without letting anything out", async () => {
    const { machine, way } = online([curl("a"), curl("b"), says("done")]);
    const session = await machine.start();
    wire(machine, way);
    await session.run(never);
    const [open] = session.view.openWaits;
    assert.ok(open !== undefined);
    const { wait, digest } = open;
    await session.answer({ wait, digest, value: yes, by }, never);
    await assert.rejects(
      session.answer({ wait, digest, value: { approved: false, note: "" }, by }, never),
      {
        code: "wait.answered",
      },
    );
    const before = way.renewed.length;
    const replay = await machine.derive("s", "r");
    assert.equal(await replay.run(never), "completed");
    assert.deepEqual(
      replay.view.answered.map((one) => one.by.surface),
      ["replay"],
    );
    assert.equal(way.renewed.length, before);
  });
});
