import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as z from "zod";
import { decide } from "../../src/core/policy.ts";
import { namedProfile } from "../../src/core/profile.ts";
import type { JsonValue } from "../../src/core/records.ts";
import type { Rule } from "../../src/core/rule.ts";
import type { Session } from "../../src/core/session.ts";
import { defineTool } from "../../src/core/tool.ts";
import { waitFacts } from "../../src/core/waitFacts.ts";
import { execTool } from "../../src/tools/exec.ts";
import { fakeCommandReader } from "../fakes/fakeCommandReader.ts";
import { FakeSandbox } from "../fakes/fakeSandbox.ts";
import { by, calls, Machine, never, says } from "./machine.ts";

const strict = namedProfile("strict");
const exec = execTool(new FakeSandbox());

/** A machine that keeps what is granted, as the rule files do. */
function granting(machine: Machine): Rule[] {
  const rules: Rule[] = [];
  machine.grant = async (more) => void rules.push(...more);
  machine.permissions = (profile) => ({
    decide: async (action) => {
      const scoped = rules.map((rule) => ({ rule, scope: "user" as const }));
      return decide(action, profile, { rules: scoped, doubt: null }, "/w");
    },
  });
  return rules;
}

const wait = (call: string): string => `turn/1/tool/${call}/approval`;

async function answer(session: Session, call: string, value: JsonValue): Promise<void> {
  await session.answer({ wait: wait(call), digest: null, value, by }, never);
}

function command(id: string, text: string) {
  return [id, "exec", { command: text }] as const;
}

suite("a yes for more than once", () => {
  test("is a rule for exactly the words that were asked about, in this session or in this folder", async () => {
    for (const [grant, bound] of [
      ["session", { session: "s" }],
      ["always", { folder: "/w" }],
    ] as const) {
      const machine = new Machine([calls(command("a", "npm test")), says("done")]);
      const rules = granting(machine);
      const session = await machine.start(strict);
      await session.run(never);
      await answer(session, "a", { approved: true, note: "", grant });
      const [rule] = rules;
      assert.ok(rule !== undefined);
      const { id, ...rest } = rule;
      assert.match(id, /^granted-[0-9a-f]{12}$/);
      const words = { words: ["npm", "test"], more: false };
      assert.deepEqual(rest, { decision: "allow", tool: "exec", command: words, ...bound });
      assert.equal(session.view.status, "completed");
    }
  });

  test("answers what else waits and is covered, in the rule's name, and the next alike call does not ask", async () => {
    const machine = new Machine([
      calls(command("a", "npm test"), command("b", "npm test"), command("c", "npm run x")),
      calls(command("d", "npm test")),
      says("done"),
    ]);
    const rules = granting(machine);
    const session = await machine.start(strict);
    await session.run(never);
    assert.equal(session.view.openWaits.length, 3);
    await answer(session, "a", { approved: true, note: "", grant: "session" });
    assert.deepEqual(
      session.view.openWaits.map((open) => open.wait),
      [wait("c")],
    );
    const answered = machine.audit.entries.filter(({ kind }) => kind === "answered");
    assert.deepEqual(
      answered.map(({ step, by: who }) => [step, who?.surface]),
      session.view.answered.map((one) => [one.wait, one.by.surface]),
      "a rule's answer is in the audit log as well as a person's",
    );
    const [, covered] = session.view.answered;
    assert.deepEqual(covered?.by, { user: `rule ${rules[0]?.id}`, surface: "policy" });
    assert.deepEqual(covered?.answer, {
      approved: true,
      note: "Allows the command npm test in this session.",
    });
    await answer(session, "c", { approved: false, note: "no" });
    assert.equal(session.view.status, "completed");
    assert.deepEqual(machine.commands, ["npm test", "npm test", "npm test"]);
    assert.equal(session.view.answered.length, 3);
  });

  test("runs what it covers as the words that it allows, not as text in the shell", async () => {
    const seen: (readonly (readonly string[])[] | null)[] = [];
    const shell = defineTool({
      name: "shell",
      description: "runs a command",
      args: z.object({ command: z.string() }),
      effect: "workspace",
      what: ({ command: text }) => text,
      command: ({ command: text }) => text,
      run: async (_, { alone }) => {
        seen.push(alone?.parts.map(({ argv }) => argv) ?? null);
        return { text: "ran", ok: true };
      },
    });
    const npm = { command: "npm test" };
    const machine = new Machine(
      [calls(["a", "shell", npm], ["b", "shell", npm]), says("done")],
      [shell],
    );
    granting(machine);
    const session = await machine.start({ ...strict, tools: ["shell"] });
    await session.run(never);
    await answer(session, "a", { approved: true, note: "", grant: "session" });
    assert.deepEqual(seen, [null, [["npm", "test"]]]);
  });

  test("is not there for a command that was not read, nor beside a no or a change; the wait stays open", async () => {
    const machine = new Machine([
      calls(command("a", "npm test $(x)"), command("b", "npm test")),
      says("done"),
    ]);
    const rules = granting(machine);
    const session = await machine.start(strict);
    await session.run(never);
    for (const [call, value] of [
      ["a", { approved: true, note: "", grant: "always" }],
      ["b", { approved: false, note: "", grant: "always" }],
      ["b", { approved: true, note: "", grant: "always", args: { command: "ls" } }],
      ["b", { approved: true, note: "", grant: "forever" }],
    ] as const) {
      await assert.rejects(answer(session, call, value), { code: "wait.invalidAnswer" });
    }
    assert.deepEqual([session.view.openWaits.length, rules], [2, []]);
  });

  test("goes on in another session that waits for the same", async () => {
    const machine = new Machine([
      calls(command("a", "npm test")),
      calls(command("a", "npm test")),
      says("done"),
      says("done"),
    ]);
    granting(machine);
    const [one, other] = [await machine.start(strict, "one"), await machine.start(strict, "other")];
    await one.run(never);
    await other.run(never);
    assert.equal(await other.goOnByRules(never), "waiting");
    await answer(one, "a", { approved: true, note: "", grant: "always" });
    assert.equal(await other.goOnByRules(never), "completed");
  });
});

suite("changed before it was approved", () => {
  test("the operator's arguments run, and the model is told what ran", async () => {
    const machine = new Machine([calls(command("a", "npm install")), says("done")]);
    const session = await machine.start(strict);
    await session.run(never);
    await answer(session, "a", { approved: true, note: "", args: { command: "npm ci" } });
    assert.deepEqual(machine.commands, ["npm ci"]);
    const told = JSON.stringify(machine.model.requests[1]?.messages.at(-1));
    assert.match(told, /The operator changed this call.*npm ci/);
    const reloaded = await machine.reload();
    assert.equal(reloaded.view.status, "completed");
    const replayed = await machine.derive("s", "r");
    assert.equal(await replayed.run(never), "completed");
    assert.deepEqual(machine.commands, ["npm ci"]);
  });

  test("arguments that do not fit leave it open, and nothing runs", async () => {
    const machine = new Machine([calls(command("a", "npm install")), says("done")]);
    const session = await machine.start(strict);
    await session.run(never);
    for (const args of [{ command: "" }, { cmd: "ls" }, "ls", null]) {
      await assert.rejects(answer(session, "a", { approved: true, note: "", args }), {
        code: "wait.invalidAnswer",
      });
    }
    assert.deepEqual([session.view.status, machine.commands], ["waiting", []]);
  });

  test("what rules deny is denied also when the operator wrote it", async () => {
    const machine = new Machine([calls(command("a", "npm install")), says("done")]);
    const rules = granting(machine);
    rules.push({ id: "r", decision: "deny", tool: "exec", command: { words: ["rm"], more: true } });
    const session = await machine.start(strict);
    await session.run(never);
    await answer(session, "a", { approved: true, note: "", args: { command: "rm -r x" } });
    assert.deepEqual(machine.commands, []);
    assert.equal(session.view.ended?.denied, 1);
  });
});

suite("what a rule would have done so far", () => {
  test("counts what would have passed in all sessions of the folder, and what of it was rejected", async () => {
    const machine = new Machine([
      calls(command("a", "npm test"), command("b", "npm test"), command("c", "npm run x")),
      says("done"),
      calls(command("a", "npm test"), command("l", "ls")),
      says("done"),
      calls(command("a", "npm test")),
    ]);
    granting(machine);
    const first = await machine.start(strict, "first");
    await first.run(never);
    await answer(first, "a", { approved: true, note: "" });
    await answer(first, "b", { approved: false, note: "" });
    await answer(first, "c", { approved: true, note: "" });
    // Nobody was asked here, and what only reads needs no rule.
    const second = await machine.start({}, "second");
    assert.equal(await second.run(never), "completed");
    const third = await machine.start(strict, "third");
    await third.run(never);
    const context = {
      world: machine.world,
      tools: [exec],
      commands: fakeCommandReader,
      folder: "/w",
    };
    const facts = waitFacts(context, wait("a"), third.records, [first.records, second.records]);
    const past = { seen: 4, passed: 3, rejected: 1 };
    assert.deepEqual(facts, {
      alike: { approved: 1, rejected: 1 },
      grants: [
        {
          grant: "session",
          from: null,
          sentence: "Allows the command npm test in this session.",
          past,
        },
        { grant: "always", from: null, sentence: "Allows the command npm test in /w.", past },
      ],
    });
    assert.throws(() => waitFacts(context, "nothing", third.records, []), { code: "wait.unknown" });
    const texts = z.array(z.string()).parse(machine.commands);
    assert.equal(texts.filter((text) => text === "npm test").length, 2);
  });

  test("counts what the rules that a folder gets would have denied and asked about, and nothing else", async () => {
    const machine = new Machine([
      calls(command("a", "npm test"), command("b", "make all"), command("l", "ls")),
      says("done"),
    ]);
    const session = await machine.start();
    assert.equal(await session.run(never), "completed");
    const [start] = session.records;
    assert.ok(start !== undefined);
    const context = {
      world: machine.world,
      tools: [exec],
      commands: fakeCommandReader,
      folder: "/w",
    };
    const npm = { words: ["npm"], more: true };
    const facts = (adds: JsonValue[]) => {
      const subject = { kind: "rule" as const, sentence: "", scope: "", from: "", adds };
      const opened = { kind: "wait.opened", waitKind: "approval", question: "?" } as const;
      const { session: id, seq, at } = start;
      const record = { ...opened, session: id, seq, at, wait: "rules", subject, digest: "d" };
      return waitFacts(context, "rules", [...session.records, record], []).tightening;
    };
    const rule = { id: "n", tool: "exec", command: npm };
    const deny = { ...rule, decision: "deny" };
    assert.deepEqual(facts([deny]), { seen: 2, denied: 1, asked: 0 });
    const all = { id: "all", decision: "ask", tool: "*" };
    assert.deepEqual(facts([deny, all]), { seen: 2, denied: 1, asked: 1 });
    assert.deepEqual(facts([{ ...deny, folder: "/other" }]), { seen: 2, denied: 0, asked: 0 });
    assert.equal(facts([]), undefined);
  });
});
