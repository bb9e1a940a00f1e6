import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { CairnError } from "../../src/core/errors.ts";
import { namedProfile } from "../../src/core/profile.ts";
import { utcTime } from "../../src/core/utcTime.ts";
import { by, calls, Machine, never, says } from "./machine.ts";

const strict = namedProfile("strict");
const wait = "turn/1/tool/a/approval";
const script = [calls(["a", "exec", { command: "npm test" }]), says("done")];
const yes = { approved: true, note: "" };
const no = { approved: false, note: "no" };

test("a moment is read as the calendar has it", () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true }),
      (date) => {
        const iso = date.toISOString();
        assert.equal(utcTime(date.getTime()), `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`);
      },
    ),
  );
});

suite("one answer, one execution", () => {
  for (const [name, first, second, runs] of [
    ["yes twice", yes, yes, 1],
    ["yes, then no", yes, no, 1],
    ["no, then yes", no, yes, 0],
  ] as const) {
    for (const windows of [1, 2]) {
      test(`${name}, at the same moment from ${windows === 1 ? "one window" : "a panel and a terminal"}: the first counts, and the second is told who and when`, async () => {
        const machine = new Machine(script);
        const one = await machine.start(strict);
        await one.run(never);
        const other = windows === 1 ? one : await machine.reload();
        const digest = one.view.openWaits[0]?.digest ?? null;
        const panel = { user: "dev", surface: "panel" } as const;
        const settled = await Promise.allSettled([
          one.answer({ wait, digest, value: first, by: panel }, never),
          other.answer({ wait, digest, value: second, by }, never),
        ]);
        const refused = settled.flatMap((each) =>
          each.status === "rejected" ? [each.reason] : [],
        );
        assert.equal(refused.length, 1);
        // Who came first may still hold the session; the one who asks again hears of the answer.
        await assert.rejects(other.answer({ wait, digest, value: second, by }, never), (error) => {
          assert.ok(CairnError.is(error, "wait.answered"));
          assert.match(
            error.message,
            /already answered by dev \(panel\) at 1970-01-01 00:16:40 UTC, and the first answer counts/,
          );
          return true;
        });
        const latest = await machine.reload();
        assert.equal(latest.view.answered.length, 1);
        assert.equal(machine.commands.length, runs);
      });
    }
  }

  test("an answer that is late, after the end, for another wait or session, or to something else is refused, and nothing runs", async () => {
    const machine = new Machine([...script, ...script]);
    const session = await machine.start({ ...strict, answerWithinMs: 1000 });
    await session.run(never);
    await machine.world.sleep(1000, never);
    await session.answer({ wait, digest: null, value: yes, by }, never);
    assert.equal(session.view.answered[0]?.ended, "expired");
    await assert.rejects(session.answer({ wait, digest: null, value: yes, by }, never), {
      code: "wait.answered",
    });
    await assert.rejects(session.answer({ wait: "x", digest: null, value: yes, by }, never), {
      code: "wait.unknown",
    });

    const other = await machine.start(strict, "other");
    await other.run(never);
    const third = await machine.start({ ...strict, name: "third" }, "third");
    const digest =
      session.records.findLast((record) => record.kind === "wait.opened")?.digest ?? "";
    await assert.rejects(other.answer({ wait, digest, value: yes, by }, never), {
      code: "wait.invalidAnswer",
    });
    await assert.rejects(third.answer({ wait, digest: null, value: yes, by }, never), {
      code: "wait.unknown",
    });
    await other.cancel(by);
    await assert.rejects(other.answer({ wait, digest: null, value: yes, by }, never), {
      code: "wait.unknown",
    });
    assert.deepEqual(machine.commands, []);
  });
});
