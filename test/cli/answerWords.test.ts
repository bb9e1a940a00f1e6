import assert from "node:assert/strict";
import { test } from "node:test";
import { chosenAnswer, type Confirm } from "../../src/cli/chosenAnswer.ts";
import { nextCommands } from "../../src/cli/nextCommands.ts";
import type { WaitSubject } from "../../src/core/waitSubject.ts";
import type { OpenWait } from "../../src/core/replay.ts";
import type { WaitFacts } from "../../src/core/sessions.ts";
import { startRecord } from "../contracts/records.ts";

const command: WaitSubject = {
  kind: "tool",
  tool: "exec",
  args: { command: "npm test" },
  what: "npm test",
  where: "the embedded sandbox",
  reason: "",
};

function wait(subject: WaitSubject): OpenWait {
  return {
    kind: "wait.opened",
    session: "s",
    seq: 2,
    at: 0,
    wait: "w",
    waitKind: "approval",
    question: "Run exec?",
    subject,
    digest: "d",
  };
}

const past = { seen: 41, passed: 37, rejected: 2 };
const facts: WaitFacts = {
  alike: { approved: 3, rejected: 1 },
  grants: [
    { grant: "session", from: null, sentence: "Allow npm test in this session.", past },
    { grant: "always", from: null, sentence: "Allow npm test in this folder.", past },
  ],
};

async function answer(
  value: string,
  {
    yes = false,
    confirm = null,
    offered = facts,
    subject = command,
  }: { yes?: boolean; confirm?: Confirm; offered?: WaitFacts; subject?: WaitSubject } = {},
) {
  return chosenAnswer({ waitFacts: async () => offered }, wait(subject), { value, yes, confirm });
}

test("an approval is answered once, for the session, always, changed, or rejected with a reason", async () => {
  assert.deepEqual(await answer("approve"), { approved: true, note: "" });
  assert.deepEqual(await answer("approve: session"), {
    approved: true,
    note: "",
    grant: "session",
  });
  assert.deepEqual(await answer("approve: always", { yes: true }), {
    approved: true,
    note: "",
    grant: "always",
  });
  assert.deepEqual(await answer('edit: {"command": "npm run lint: all"}'), {
    approved: true,
    note: "",
    args: { command: "npm run lint: all" },
  });
  assert.deepEqual(await answer("reject: not now: later"), {
    approved: false,
    note: "not now: later",
  });
});

test("a rule for always is asked about once more, and without anybody to ask it needs --yes", async () => {
  await assert.rejects(answer("approve: always"), {
    code: "usage.invalid",
    message: /Allow npm test in this folder\. Give --yes as well to save it; nothing was answered/,
  });
  const asked: string[] = [];
  const says =
    (yes: boolean): Confirm =>
    async (question) => {
      asked.push(question);
      return yes;
    };
  await assert.rejects(answer("approve: always", { confirm: says(false) }), {
    code: "usage.invalid",
  });
  assert.deepEqual(await answer("approve: always", { confirm: says(true) }), {
    approved: true,
    note: "",
    grant: "always",
  });
  assert.equal(asked.length, 2);
});

test("a wider yes is only taken where it is offered", async () => {
  const none: WaitFacts = { alike: { approved: 0, rejected: 0 }, grants: [] };
  await assert.rejects(answer("approve: session", { offered: none }), {
    code: "usage.invalid",
    message: /No wider yes of this kind is offered for w\. Answer "approve"\./,
  });
  const rule: WaitSubject = { kind: "rule", sentence: "Allow all.", scope: "user", from: "you" };
  assert.deepEqual(await answer("approve: always", { subject: rule }), {
    approved: true,
    note: "always",
  });
  await assert.rejects(answer("edit: {}", { subject: rule }), { code: "wait.invalidAnswer" });
  await assert.rejects(answer("edit: {no"), { code: "wait.invalidAnswer" });
});

test("what can be typed is said beside the command that answers", () => {
  const start = startRecord();
  const opened = wait(command);
  const [said = ""] = nextCommands("waiting", [{ ...start, session: "s", seq: 1 }, opened], ".");
  assert.match(said, /"approve: session", "approve: always", "edit: ARGUMENTS-AS-JSON"/);
  assert.match(said, /cairn answer s w approve$/);
});
