import assert from "node:assert/strict";
import { mock, suite, test } from "node:test";
import type { World } from "../../src/core/ports.ts";
import type { OpenWait } from "../../src/core/replay.ts";
import { Deadlines } from "../../src/deadlines.ts";

const hour = 3_600_000;

function waitOf(at: number, deadlineMs?: number): OpenWait {
  return {
    kind: "wait.opened",
    session: "s",
    seq: 2,
    at,
    wait: "ask",
    waitKind: "text",
    question: "Which?",
    subject: { kind: "question", question: "Which?", choices: [] },
    digest: "d",
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  };
}

/** A process with a wall clock that can be set and timers that only time moves. */
function watched() {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  const wall = { now: 0, boot: null as ReturnType<World["boot"]> };
  const expired: string[] = [];
  const deadlines = new Deadlines({
    world: { now: () => wall.now, boot: () => wall.boot },
    open: async () => [],
    expire: async ({ wait }) => void expired.push(wait),
  });
  return { wall, expired, deadlines, pass: (ms: number) => mock.timers.tick(ms) };
}

suite("a deadline", () => {
  test("ends a wait when its time is over, and not before", () => {
    const { deadlines, expired, pass } = watched();
    deadlines.watch("s", [waitOf(0, hour)]);
    pass(hour - 1);
    assert.deepEqual(expired, []);
    pass(1);
    assert.deepEqual(expired, ["ask"]);
  });

  test("is not reached by a clock that jumps forward, nor put off by one that jumps back", () => {
    for (const jump of [10 * hour, -10 * hour]) {
      const { deadlines, expired, wall, pass } = watched();
      deadlines.watch("s", [waitOf(0, hour)]);
      pass(hour / 2);
      wall.now += jump;
      deadlines.watch("s", [waitOf(0, hour)]);
      pass(hour / 2 - 1);
      assert.deepEqual(expired, [], `a jump of ${jump}`);
      pass(1);
      assert.deepEqual(expired, ["ask"], `a jump of ${jump}`);
    }
  });

  test("that passed while no process watched is over at the first look", () => {
    const { deadlines, expired, wall, pass } = watched();
    wall.now = 2 * hour;
    deadlines.watch("s", [waitOf(0, hour)]);
    pass(0);
    assert.deepEqual(expired, ["ask"]);
  });

  test("is never further away than its whole time, whatever the clock was set to meanwhile", () => {
    const { deadlines, expired, wall, pass } = watched();
    wall.now = -365 * 24 * hour;
    deadlines.watch("s", [waitOf(0, hour)]);
    pass(hour);
    assert.deepEqual(expired, ["ask"]);
  });

  test("is over when the machine wakes up after it, whatever its clock says", async () => {
    for (const jump of [8 * hour, -400 * 24 * hour, 10 * 365 * 24 * hour]) {
      const { deadlines, expired, wall, pass } = watched();
      wall.boot = { id: "b", ms: 5 };
      deadlines.watch("s", [{ ...waitOf(0, hour), since: { boot: "b", ms: 5 } }]);
      wall.now = jump;
      wall.boot = { id: "b", ms: 5 + hour / 2 };
      await deadlines.look([]);
      pass(0);
      assert.deepEqual(expired, [], "half of its time is left");
      wall.boot = { id: "b", ms: 5 + 8 * hour };
      await deadlines.look([]);
      pass(0);
      assert.deepEqual(expired, ["ask"]);
    }
  });

  test("of two months is not cut short by the longest timer that there is", () => {
    const { deadlines, expired, pass } = watched();
    const days = 60;
    deadlines.watch("s", [waitOf(0, days * 24 * hour)]);
    for (let hours = 1; hours < days * 24; hours += 1) pass(hour);
    assert.deepEqual(expired, []);
    // Mocked timers that are set while time passes count from the end of the step: an hour each.
    for (let hours = 0; hours < 3; hours += 1) pass(hour);
    assert.deepEqual(expired, ["ask"]);
  });

  test("is forgotten when the wait was answered, and there is none where none was set", () => {
    const { deadlines, expired, pass } = watched();
    deadlines.watch("s", [waitOf(0, hour)]);
    deadlines.watch("s", []);
    deadlines.watch("s", [waitOf(0)]);
    pass(100 * hour);
    assert.deepEqual(expired, []);
  });
});
