import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { JsonValue } from "../../src/core/records.ts";
import type { Session } from "../../src/core/session.ts";
import type { FakeWayOut } from "../fakes/fakeWayOut.ts";
import { by, type Machine, never, says } from "./machine.ts";
import { curl, online, page, told, wire } from "./online.ts";

const doubt = "turn/1/tool/a/inDoubt/2";

/** A machine where a command may read and post, and what a crash at its outcome leaves. */
async function cutShort(command: string) {
  const { machine, way } = online([curl("a", command), says("done")]);
  way.allowed = [
    { name: "wiki", hosts: ["wiki.example"], methods: ["GET", "POST"], paths: ["/snippets/"] },
  ];
  const session = await machine.start();
  wire(machine, way);
  const later = await goneAtOutcome(machine, way, async () => session.run(never));
  return { machine, way, later };
}

/** The process dies before the command's outcome is on record. */
async function goneAtOutcome(
  machine: Machine,
  way: FakeWayOut,
  run: () => Promise<unknown>,
): Promise<Session> {
  let isGone = false;
  machine.driver.beforeAppend = (body) => {
    isGone ||= body.kind === "step.completed" && body.step === "turn/1/tool/a";
    if (isGone) throw new Error("the power is gone");
  };
  await run().catch(() => undefined);
  assert.ok(isGone);
  machine.driver.beforeAppend = () => undefined;
  const later = await machine.reload();
  wire(machine, way);
  return later;
}

async function say(session: Session, value: JsonValue): Promise<string> {
  const [open] = session.view.openWaits;
  assert.ok(open !== undefined);
  return session.answer({ wait: open.wait, digest: open.digest, value, by }, never);
}

function startsOf({ records }: Session) {
  return records.flatMap((record) =>
    record.kind === "step.started" && record.name === "exec"
      ? [{ effect: record.effect, leaves: record.leaves ?? null }]
      : [],
  );
}

suite("a command that sends what may change something", () => {
  test("is asked about after a crash, with what it sent, and is never run again in silence", async () => {
    const { machine, way, later } = await cutShort(`post ${page}; post ${page}2`);
    assert.deepEqual(startsOf(later), [
      { effect: "workspace", leaves: null },
      { effect: "external", leaves: `POST ${page}` },
    ]);
    assert.equal(await later.resume(never), "waiting");
    const [open] = later.view.openWaits;
    assert.equal(open?.wait, doubt);
    assert.ok(open.subject.kind === "inDoubt");
    assert.match(
      open.subject.observed ?? "",
      /^Before it stopped it sent POST https:\S+, and perhaps more\. What it changed in the session's files is taken back\.$/,
    );
    assert.deepEqual(way.passed, [`POST ${page}`, `POST ${page}2`]);
    assert.equal(await say(later, { choice: "skip" }), "completed");
    assert.equal(way.passed.length, 2);
    assert.match(told(machine), /It may have happened/);
  });

  test("runs again where the operator says so, and is asked about again only if it sent again", async () => {
    const { machine, way, later } = await cutShort(`post ${page}`);
    await later.resume(never);
    // This time it comes to nothing before it sends.
    machine.sandbox.onRun = async () => undefined;
    const last = await goneAtOutcome(machine, way, async () => say(later, { choice: "runAgain" }));
    assert.equal(way.passed.length, 1);
    assert.equal(await last.resume(never), "completed");
    assert.equal(way.passed.length, 2);
  });

  test("has it on record before it goes, and what is not on record does not go", async () => {
    const { machine, way } = online([curl("a", `post ${page}`), says("done")]);
    way.allowed = [
      { name: "wiki", hosts: ["wiki.example"], methods: ["POST"], paths: ["/snippets/"] },
    ];
    const session = await machine.start();
    wire(machine, way);
    machine.driver.beforeAppend = (body) => {
      if (body.kind === "step.started" && body.leaves !== undefined) throw new Error("it is full");
    };
    await session.run(never).catch(() => undefined);
    assert.deepEqual(way.passed, []);
  });

  test("that only reads is run again after a crash, and nobody is asked", async () => {
    const { way, later } = await cutShort(`curl ${page}`);
    assert.deepEqual(startsOf(later), [{ effect: "workspace", leaves: null }]);
    assert.equal(await later.resume(never), "completed");
    assert.deepEqual(way.passed, [`GET ${page}`, `GET ${page}`]);
  });

  test("sends nothing in a replay, but where that is told to do what is not on record; a fork is on its own", async () => {
    for (const [mode, onMiss] of [
      ["replay", "fail"],
      ["replay", "run"],
      ["fork", "fail"],
    ] as const) {
      const goes = mode === "fork" || onMiss === "run";
      const { machine, way } = online([curl("a"), says("done"), says("done")]);
      way.allowed = [
        { name: "wiki", hosts: ["wiki.example"], methods: ["GET", "POST"], paths: ["/snippets/"] },
      ];
      const session = await machine.start();
      wire(machine, way);
      await session.run(never);
      way.passed.length = 0;
      const replay = await machine.derive("s", "r", {
        overrides: [
          { select: "turn/1/tool/a", field: "input", value: { command: `post ${page}` } },
        ],
        mode,
        onMiss,
      });
      wire(machine, way);
      assert.equal(await replay.run(never), "completed");
      assert.deepEqual(way.passed, goes ? [`POST ${page}`] : []);
      assert.equal(/proxy\.held\. It may change something/.test(told(machine)), !goes);
    }
  });
});
