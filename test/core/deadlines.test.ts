import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { asks, by, Machine, never, says } from "./machine.ts";

test("a question that nobody answered in time is denied, and an answer after that does not count", async () => {
  const machine = new Machine([asks("q"), says("went on")]);
  const session = await machine.start({ answerWithinMs: 1000 });
  await session.run(never);
  assert.equal(session.view.openWaits[0]?.deadlineMs, 1000);
  await machine.world.sleep(1000, never);
  const late = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
  assert.equal(await session.answer(late, never), "completed");
  const [answered] = session.view.answered;
  assert.deepEqual([answered?.ended, answered?.by.surface], ["expired", "deadline"]);
  assert.match(JSON.stringify(machine.model.requests[1]?.messages.at(-1)), /does not answer/);
});

const hour = 3_600_000;

/** A session that asks, open for an hour, on a machine that counts since its boot. */
async function timedQuestion() {
  const machine = new Machine([asks("q"), says("went on")]);
  const clock = { wall: 0, boot: { id: "b", ms: 7 } };
  machine.world.now = () => clock.wall;
  machine.world.boot = () => clock.boot;
  const session = await machine.start({ answerWithinMs: hour });
  await session.run(never);
  const answer = async (): Promise<string | null> => {
    const reloaded = await machine.reload();
    const value = { wait: "turn/1/tool/q/answer", digest: null, value: "yes", by };
    await reloaded.answer(value, never);
    return reloaded.view.answered[0]?.ended ?? null;
  };
  return { clock, answer };
}

suite("whatever is done to the clock on the wall", () => {
  const jumps = { "400 days back": -400, "10 years ahead": 3650, "not at all": 0 };
  for (const [words, days] of Object.entries(jumps)) {
    test(`${words}: an answer in time counts, and one after it does not`, async () => {
      const early = await timedQuestion();
      early.clock.wall = days * 24 * hour;
      early.clock.boot = { id: "b", ms: 7 + hour - 1 };
      assert.equal(await early.answer(), null);
      const late = await timedQuestion();
      late.clock.wall = days * 24 * hour;
      late.clock.boot = { id: "b", ms: 7 + hour };
      assert.equal(await late.answer(), "expired");
    });
  }

  test("what has expired stays so when it goes back", async () => {
    const { clock, answer } = await timedQuestion();
    clock.boot = { id: "b", ms: 8 * hour };
    assert.equal(await answer(), "expired");
    clock.wall = -hour;
    clock.boot = { id: "another boot", ms: 0 };
    await assert.rejects(answer(), { code: "wait.answered" });
  });

  test("after another boot it is what there is, and never gives more than the whole time", async () => {
    const { clock, answer } = await timedQuestion();
    clock.boot = { id: "another boot", ms: 0 };
    clock.wall = hour;
    assert.equal(await answer(), "expired");
    const back = await timedQuestion();
    back.clock.boot = { id: "another boot", ms: 0 };
    back.clock.wall = -400 * 24 * hour;
    assert.equal(await back.answer(), null);
  });
});
