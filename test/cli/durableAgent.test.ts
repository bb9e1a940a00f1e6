import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import type { SessionRecord } from "../../src/core/records.ts";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";
import type { Asked, Reply } from "./scriptedServer.ts";

const cairn = new Cairn();
after(() => cairn.remove());

const profile = cairn.json("s1.json", {
  name: "s1",
  tools: ["exec"],
  rules: { exec: "allow" },
  apply: "onRequest",
});
const prompts = ["--goal", "Write part one.", "--goal", "Write part two."];

function exec(id: string, command: string) {
  return { id, tool: "exec", args: { command } };
}

const part = (name: string): readonly Reply[] => [
  { text: "I write it down.", calls: [exec(`${name}_a`, `echo ${name} >> parts.txt`)] },
  { text: "I look at it.", calls: [exec(`${name}_b`, "cat parts.txt")] },
  { text: `This is part ${name}.` },
];
const replies = [...part("one"), ...part("two")];

/** The first request of the second turn: nothing was said in it yet. */
function secondTurn({ messages }: Asked): boolean {
  const last = messages.at(-1);
  return last?.role === "user" && last.content === "Write part two.";
}

/** A session that failed between its turns, with what was done until then. */
async function failedBetweenTurns(...flags: readonly string[]) {
  const desk = await Desk.open(cairn, replies);
  desk.server.refuseWhen(secondTurn);
  const ran = await desk.start(["--profile", profile, "--strategy", "turn", ...prompts, ...flags]);
  const { session, status } = await desk.session();
  return { desk, ran, session, status, calls: desk.calls, commands: desk.commands.length };
}

const models = (records: readonly SessionRecord[]): readonly string[] =>
  records.flatMap((record) =>
    record.kind === "step.completed" && record.stepKind === "model" ? [record.step] : [],
  );

suite("S1 durable agent", { concurrency: 2 }, () => {
  test("Profile allows `exec`; two prompts = two turns; strategy `turn`. A fault is injected between the turns: status `failed`, the message names the retry command.", async () => {
    const { desk, ran, session, status, calls, commands } = await failedBetweenTurns();
    assert.equal(ran.code, 1, ran.stderr);
    assert.equal(status, "failed");
    assert.match(ran.stderr, new RegExp(`cairn retry .*${session}`));
    assert.deepEqual([calls, commands], [3, 2]);
    const turns = (await desk.records()).flatMap((record) =>
      record.kind === "step.completed" && record.stepKind === "turn" ? [record.step] : [],
    );
    assert.deepEqual(turns, ["turn/1"]);
  });

  test("Retry: turn 1 comes from its checkpoint with 0 model calls and 0 commands; turn 2 runs fresh; the output has both parts.", async () => {
    const { desk, session, calls } = await failedBetweenTurns();
    const before = desk.commands.length;
    const retried = await desk.do(["retry", session]);
    assert.equal(retried.code, 0, retried.stderr);
    assert.equal(desk.calls - calls, 3);
    assert.ok(desk.server.asked.slice(calls).every(({ messages }) => messages.length > 7));
    assert.deepEqual(desk.commands.slice(before), ["echo two >> parts.txt", "cat parts.txt"]);
    assert.equal(await desk.output(), "This is part one.\n\nThis is part two.");
    const told = desk.server.asked.at(-1)?.messages.at(-1)?.content;
    assert.match(told ?? "", /^one\ntwo\n\[exit 0/, "the files of turn 1 are there, once");
  });

  test("With the cache off both turns run again; the counts equal the first run's.", async () => {
    const first = await Desk.open(cairn, replies);
    const whole = await first.start(["--profile", profile, "--strategy", "turn", ...prompts]);
    assert.equal(whole.code, 0, whole.stderr);

    const { desk, session, calls, commands } = await failedBetweenTurns("--cache", "off");
    const retried = await desk.do(["retry", session]);
    assert.equal(retried.code, 0, retried.stderr);
    assert.equal(desk.calls - calls, first.calls);
    assert.deepEqual(desk.commands.slice(commands), first.commands);
    assert.equal(await desk.output(), "This is part one.\n\nThis is part two.");
    const told = desk.server.asked.at(-1)?.messages.at(-1)?.content;
    assert.match(told ?? "", /^one\ntwo\n\[exit 0/, "the effects of the first attempt are undone");
  });

  test("Strategy `calls`, killed after the third model response: resume issues only calls 4..n; every effect happened once.", async () => {
    const hit = (count: number, more = ""): Reply => ({
      text: `Hit ${count}.`,
      calls: [exec(`hit_${count}`, `echo ${count} >> hits.txt${more}`)],
    });
    const last = { text: "", calls: [exec("look", "cat hits.txt")] };
    const script = [hit(1), hit(2), hit(3, "; sleep 1"), hit(4), last, { text: "Done." }];
    const desk = await Desk.open(cairn, script);
    const start = ["--profile", profile, "--strategy", "calls", "--goal", "Hit four times."];
    const killed = await desk.start(start, { killWhen: /turn\/1\/model#3 \(/ });
    assert.equal(killed.signal, "SIGKILL");
    assert.equal(desk.calls, 3);
    const before = await desk.records();
    const { session, status } = await desk.session();
    assert.equal(status, "running");

    const resumed = await desk.do(["resume", session]);
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.equal(desk.calls, script.length);
    const records = await desk.records();
    assert.deepEqual(records.slice(0, before.length), before);
    assert.deepEqual(models(records.slice(before.length)), [
      "turn/1/model#4",
      "turn/1/model#5",
      "turn/1/model#6",
    ]);
    const told = desk.server.asked.at(-1)?.messages.at(-1)?.content;
    assert.match(told ?? "", /^1\n2\n3\n4\n\[exit 0/);
  });

  test("A profile without `exec`: the tool is absent from the request that the model gets.", async () => {
    const desk = await Desk.open(cairn, [{ text: "I can only talk." }]);
    const ran = await desk.start(["--profile", "read-only", "--goal", "Look around."]);
    assert.equal(ran.code, 0, ran.stderr);
    const [asked] = desk.server.asked;
    assert.deepEqual(asked?.tools.map((tool) => tool.function.name).toSorted(), [
      "ask_question",
      "list_files",
      "read_file",
      "search",
      "skill",
    ]);
    const other = await Desk.open(cairn, [{ text: "I can." }]);
    await other.start(["--profile", profile, "--goal", "Look around."]);
    assert.deepEqual(
      other.server.asked[0]?.tools.map((tool) => tool.function.name),
      ["exec"],
    );
  });
});
