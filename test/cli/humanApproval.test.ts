import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionRecord } from "../../src/core/records.ts";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";
import type { Reply } from "./scriptedServer.ts";

const cairn = new Cairn();
after(() => cairn.remove());

const profile = cairn.json("s6.json", {
  name: "s6",
  tools: ["exec", "ask_question"],
  rules: { exec: "allow", ask_question: "allow" },
  apply: "onRequest",
});
const start = ["--profile", profile, "--goal", "Publish a summary of the snippet."];
const question = "Shall I publish this draft?";

function exec(id: string, command: string) {
  return { id, tool: "exec", args: { command } };
}

function ask(id: string) {
  return { id, tool: "ask_question", args: { question } };
}

const lookup: Reply = { text: "First I look it up.", calls: [exec("lookup", "cat snippet.txt")] };
const draft: Reply = {
  text: "Then a draft.",
  calls: [exec("draft", "echo draft > draft.txt && cat draft.txt")],
};
const asks: Reply = { text: "Now I need a word from you.", calls: [ask("ask")] };
const publish: Reply = {
  text: "Thank you.",
  calls: [exec("publish", "cp draft.txt published.txt && cat published.txt")],
};
const done: Reply = { text: "It is published." };
const script = [lookup, draft, asks, publish, done];
const wait = "turn/1/tool/ask/answer";

async function desk(replies: readonly Reply[] = script): Promise<Desk> {
  return Desk.open(cairn, replies, { "snippet.txt": "records outlive processes\n" });
}

/** A session that waits for the answer to its question. */
async function paused(): Promise<{ readonly desk: Desk; readonly session: string }> {
  const here = await desk();
  const ran = await here.start(start);
  assert.equal(ran.code, 3, ran.stderr);
  const { session, status, waits } = await here.session();
  assert.equal(status, "waiting");
  assert.deepEqual(
    waits.map((each) => each.wait),
    [wait],
  );
  return { desk: here, session };
}

function answers(records: readonly SessionRecord[]) {
  return records.flatMap((record) => (record.kind === "wait.answered" ? [record] : []));
}

suite("S6 human approval: lookup, draft, ask_question pauses, publish", { concurrency: 2 }, () => {
  test("answered at once", async () => {
    const { desk: here, session } = await paused();
    assert.equal(here.calls, 3);
    const answered = await here.do(["answer", session, wait, "Yes, publish it."]);
    assert.equal(answered.code, 0, answered.stderr);
    assert.equal(here.calls, script.length);
    assert.equal(
      here.server.asked[3]?.messages.at(-1)?.content,
      "The operator answered: Yes, publish it.",
    );
    assert.deepEqual(here.commands, [
      "cat snippet.txt",
      "echo draft > draft.txt && cat draft.txt",
      "cp draft.txt published.txt && cat published.txt",
    ]);
    assert.equal(await here.output(), "It is published.");
  });

  test("the editor is closed, killed, reopened hours later: no model call before the pause repeats", async () => {
    const here = await desk();
    const killed = await here.start(start, { killWhen: /waiting at turn\/1\/tool\/ask\/answer/ });
    assert.ok(killed.signal === "SIGKILL" || killed.code === 3, "killed, or parked just before");
    const { session, status } = await here.session();
    assert.equal(status, "waiting");
    const before = await here.records();
    const commands = here.commands.length;

    const looked = await here.do(["resume", session]);
    assert.equal(looked.code, 3, "there is nothing to resume before the answer");
    assert.deepEqual(await here.records(), before);
    const answered = await here.do(["answer", session, wait, "Yes."]);
    assert.equal(answered.code, 0, answered.stderr);
    assert.equal(here.calls, script.length, "each model call was made once");
    assert.deepEqual(here.commands.slice(commands), [
      "cp draft.txt published.txt && cat published.txt",
    ]);
    assert.deepEqual((await here.records()).slice(0, before.length), before);
  });

  test("the same question twice in a turn: two waits", async () => {
    const both: Reply = { text: "Two at once.", calls: [ask("q"), ask("r")] };
    const again: Reply = { text: "The same id again.", calls: [ask("q")] };
    const here = await desk([both, again, done]);
    let last = await here.start(start);
    const { session, waits } = await here.session();
    assert.deepEqual(
      waits.map((each) => each.wait),
      ["turn/1/tool/q/answer", "turn/1/tool/r/answer"],
    );
    for (const [id, text] of [
      ["turn/1/tool/r/answer", "second"],
      ["turn/1/tool/q/answer", "first"],
    ] as const) {
      last = await here.do(["answer", session, id, text]);
      assert.equal(last.code, 3, last.stderr);
    }
    const [third] = (await here.session()).waits;
    last = await here.do(["answer", session, third?.wait ?? "", "third"]);
    assert.equal(last.code, 0, last.stderr);
    const told = here.server.asked
      .at(-1)
      ?.messages.flatMap(({ role, content }) => (role === "tool" ? [content] : []));
    assert.deepEqual(told, [
      "The operator answered: first",
      "The operator answered: second",
      "The operator answered: third",
    ]);
  });

  test("replay of a finished session does not ask again", async () => {
    const { desk: here, session } = await paused();
    await here.do(["answer", session, wait, "Yes."]);
    const [calls, commands] = [here.calls, here.commands.length];
    const source = await here.records(session);
    const replayed = await here.do(["replay", session]);
    assert.equal(replayed.code, 0, replayed.stderr);
    assert.equal(await here.output(), "It is published.");
    assert.deepEqual([here.calls, here.commands.length], [calls, commands]);
    const [served] = answers(await here.records());
    assert.equal(served?.answer, "Yes.");
    assert.equal(served?.by.surface, "replay");
    assert.deepEqual(await here.records(session), source);
  });

  test("an invalid typed answer leaves it waiting", async () => {
    const { desk: here, session } = await paused();
    const before = await here.records();
    const refused = await here.do(["answer", session, wait, " \t"]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /is no answer to turn\/1\/tool\/ask\/answer.*Type some text\./);
    assert.deepEqual(await here.records(), before);
    assert.equal((await here.session()).status, "waiting");

    const careful = await desk([lookup, done]);
    await careful.start(["--profile", "careful", "--goal", "Look it up."]);
    const asked = await careful.session();
    const id = asked.waits[0]?.wait ?? "";
    const maybe = await careful.do(["answer", asked.session, id, "perhaps"]);
    assert.match(maybe.stderr, /"perhaps" is no answer.*"approve",.* or "reject: why"/);
    assert.equal((await careful.session()).status, "waiting");
    assert.deepEqual(careful.commands, []);
    const rejected = await careful.do(["answer", asked.session, id, "reject: not that file"]);
    assert.equal(rejected.code, 0, rejected.stderr);
    assert.match(
      careful.server.asked.at(-1)?.messages.at(-1)?.content ?? "",
      /The operator rejected this call: not that file\. Nothing ran\./,
    );
  });

  test("abort takes the abort branch and does not cancel the session", async () => {
    const { desk: here, session } = await paused();
    const aborted = await here.do(["abort", session, wait]);
    assert.equal(aborted.code, 0, aborted.stderr);
    assert.equal(
      here.server.asked[3]?.messages.at(-1)?.content,
      "The operator does not answer this. Go on without it, or stop.",
    );
    assert.equal((await here.session()).status, "completed");
    const [taken] = answers(await here.records());
    assert.deepEqual([taken?.ended, taken?.answer], ["aborted", null]);
    assert.match(aborted.stdout, /completed/);
    const again = await here.do(["abort", session, wait]);
    assert.match(again.stderr, /was already answered by .* at .* UTC, .* \[wait\.answered\]/);

    const other = await paused();
    const cancelled = await other.desk.do(["cancel", other.session]);
    assert.equal(cancelled.code, 0, cancelled.stderr);
    assert.match(cancelled.stdout, /session cancelled by .* \(cli\)/);
    assert.equal(other.desk.calls, 3, "a cancelled session goes nowhere");
  });

  test("`<img src=x onerror=…>` or `$(id)` as an answer is inert everywhere", async () => {
    const { desk: here, session } = await paused();
    const marker = join(cairn.place, "was-run");
    const hostile = `<img src=x onerror="alert(1)"> $(touch ${marker}) \`touch ${marker}\`; \u001B[2J\u202E --json`;
    const answered = await here.do(["answer", session, wait, hostile]);
    assert.equal(answered.code, 0, answered.stderr);
    assert.equal(existsSync(marker), false);
    assert.equal(
      here.server.asked[3]?.messages.at(-1)?.content,
      `The operator answered: ${hostile}`,
    );
    assert.equal(answers(await here.records())[0]?.answer, hostile);
    const shown = await here.do(["show", session]);
    for (const text of [answered.stdout, shown.stdout]) {
      assert.match(text, /<img src=x onerror=/);
      assert.ok(!text.includes("\u001B") && !text.includes("\u202E"));
    }
    assert.equal(here.commands.length, 3, "nothing of it became a command");
  });

  test("who, when, from where is recorded", async () => {
    const { desk: here, session } = await paused();
    const before = Date.now();
    await here.do(["answer", session, wait, "Yes."]);
    const [given] = answers(await here.records());
    assert.deepEqual(given?.by, { user: userInfo().username, surface: "cli" });
    assert.ok(given.at >= before && given.at <= Date.now());
    const shown = await here.do(["show", session]);
    assert.match(
      shown.stdout,
      new RegExp(`answered by ${userInfo().username} \\(cli\\): "Yes\\."`),
    );
  });

  test("nobody answers in time: the question is denied, and the session goes on when somebody looks after it", async () => {
    const here = await desk();
    const ran = await here.start([...start, "--deadline", "1s"]);
    assert.equal(ran.code, 3, ran.stderr);
    assert.match(ran.stdout, /open until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
    const opened = (await here.records()).find(({ kind }) => kind === "wait.opened");
    await until((opened?.at ?? 0) + 1000);
    const { session } = await here.session();
    const resumed = await here.do(["resume", session]);
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stdout, /turn\/1\/tool\/ask\/answer expired: nobody answered in time/);
    assert.equal(
      here.server.asked[3]?.messages.at(-1)?.content,
      "The operator does not answer this. Go on without it, or stop.",
    );
    const late = await here.do(["answer", session, wait, "Yes."]);
    assert.match(late.stderr, /already answered by nobody \(deadline\)/);
  });
});

/** Resolves when the clock on the wall has passed this time: a deadline is kept across processes by it. */
async function until(time: number): Promise<void> {
  await sleep(Math.max(0, time - Date.now()) + 20);
}
