import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Cairn, type RunOptions } from "./cairn.ts";
import { Desk } from "./desk.ts";

const cairn = new Cairn();
after(() => cairn.remove());

const [library] = globSync("/usr/lib/*/faketime/libfaketime.so.1");
const skip = library === undefined ? "faketime is not installed (Debian's package)" : false;
const wait = "turn/1/tool/ask/answer";

/** A process that believes that it is another day, while its timers run as ever. */
function at(offset: string): RunOptions {
  const environment = {
    OPENAI_API_KEY: "sk-test-0123456789abcdef",
    LD_PRELOAD: library ?? "",
    FAKETIME: offset,
    DONT_FAKE_MONOTONIC: "1",
  };
  return { environment };
}

async function asked(options: RunOptions, deadline: string): Promise<Desk> {
  const call = { id: "ask", tool: "ask_question", args: { question: "Shall I?" } };
  const desk = await Desk.open(cairn, [{ text: "", calls: [call] }, { text: "I went on." }]);
  const ran = await desk.start(["--goal", "Ask me.", "--deadline", deadline], options);
  assert.equal(ran.code, 3, ran.stderr);
  return desk;
}

/** Answers in a process with another clock, and says how the wait ended. */
async function answered(desk: Desk, options: RunOptions): Promise<string> {
  const { session } = await desk.session();
  const ran = await desk.do(["answer", session, wait, "yes"], options);
  assert.equal(ran.code, 0, ran.stderr);
  const records = await desk.records();
  const answer = records.find((record) => record.kind === "wait.answered");
  assert.ok(answer?.kind === "wait.answered");
  assert.deepEqual(
    records.map(({ seq }) => seq),
    records.map((_, index) => index + 1),
    "order is that of the numbers, whatever the times say",
  );
  return answer.ended ?? "answered";
}

test(
  "a clock that is set 400 days back does not bring back an approval whose time was over",
  { skip },
  async () => {
    const desk = await asked({ ...at("+0") }, "1s");
    await sleep(1100);
    assert.equal(await answered(desk, at("-400d")), "expired");
  },
);

test(
  "a clock that is set ten years ahead does not end one that is still open",
  { skip },
  async () => {
    const desk = await asked({ ...at("+0") }, "1h");
    assert.equal(await answered(desk, at("+3650d")), "answered");
  },
);

test("a session of next year goes on today", { skip }, async () => {
  const desk = await asked({ ...at("+365d") }, "1h");
  assert.equal(await answered(desk, at("+0")), "answered");
  assert.equal(await desk.output(), "I went on.");
});
