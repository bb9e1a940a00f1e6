import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as z from "zod";
import { CairnError } from "../../src/core/errors.ts";
import { defineFlow } from "../../src/core/flowDefinition.ts";
import { waitDigest } from "../../src/core/recordedWait.ts";
import type { JsonValue } from "../../src/core/records.ts";
import { yesOrNo } from "../../src/core/waits.ts";
import { by, calls, Machine, never, says } from "./machine.ts";

// Joined here, so that no scanner takes the test itself for a leak.
const secret = ["c4n4ry", "Zq8xV2mL0pR7"].join("-");
const marker = "[redacted: known secret]";
const anything = z.json();

function machineThatKnows(replies: ConstructorParameters<typeof Machine>[0]): Machine {
  const machine = new Machine(replies);
  machine.secrets.register(secret);
  return machine;
}

function flowOf(run: Parameters<typeof defineFlow>[0]["run"]) {
  return defineFlow({ name: "own", version: 1, input: anything, run });
}

suite("a secret is in no record", () => {
  test("not of a goal, the model's words and calls, their results, an answer, the end", async () => {
    const machine = machineThatKnows([
      calls(["a", "exec", { command: `echo ${secret}` }]),
      calls(["b", "ask_question", { question: `Is it ${secret}?` }]),
      says(`It is ${secret}.`),
    ]);
    machine.prompts = [`use ${secret}`];
    const session = await machine.start({ rules: { exec: "allow", ask_question: "allow" } });
    assert.equal(await session.run(never), "waiting");
    const [wait] = session.view.openWaits;
    assert.ok(wait);
    const answer = { wait: wait.wait, digest: wait.digest, by, value: `yes: ${secret}` };
    assert.equal(await session.answer(answer, never), "completed");
    assert.doesNotMatch(JSON.stringify(session.records), new RegExp(secret));
    assert.deepEqual(machine.commands, [`echo ${marker}`]);
    assert.match(JSON.stringify(session.records), /It is \[redacted: known secret\]\./);
    const given = session.records.find(({ kind }) => kind === "wait.answered");
    assert.equal(given?.kind === "wait.answered" && given.answer, `yes: ${marker}`);
  });

  test("not of what an effect sends, what it fails with, what a flow is given and returns", async () => {
    const machine = machineThatKnows([]);
    const flow = flowOf(async ({ flow: own }, input) => {
      const what = `send ${secret}`;
      const spec = { output: anything, effect: "external", args: { to: secret }, what } as const;
      await own
        .step("sent", spec, async () => {
          throw new CairnError("model.rejected", `The upstream said: ${secret}`);
        })
        .catch(() => {});
      return { input, also: secret };
    });
    const session = await machine.startFlow(flow, { key: secret });
    assert.equal(await session.run(never), "completed");
    assert.doesNotMatch(JSON.stringify(session.records), new RegExp(secret));
    const kinds = session.records.map(({ kind }) => kind);
    assert.deepEqual(kinds, ["session.started", "step.started", "step.failed", "session.ended"]);
  });

  test("not of what a flow asks and shows, and the answer is bound to what is shown", async () => {
    const machine = machineThatKnows([]);
    const flow = flowOf(async ({ flow: own }) => {
      const go = await own.wait("go", yesOrNo(`Send ${secret}?`, { about: { key: [secret] } }));
      return go.ended === null && go.value;
    });
    const session = await machine.startFlow(flow);
    assert.equal(await session.run(never), "waiting");
    const [wait] = session.view.openWaits;
    assert.deepEqual(wait?.subject, { kind: "form", about: { key: [marker] }, schema: null });
    const { question, subject, digest } = wait;
    assert.equal(digest, waitDigest(machine.world, { kind: "boolean", question, subject }));
    const reloaded = await machine.reload();
    const answer = { wait: "go", digest, by, value: true };
    assert.equal(await reloaded.answer(answer, never), "completed");
    assert.doesNotMatch(JSON.stringify(reloaded.records), new RegExp(secret));
  });

  test("not of how a session failed", async () => {
    const machine = machineThatKnows([]);
    const flow = flowOf(async () => {
      throw new CairnError("usage.invalid", `${secret} is no name.`);
    });
    const session = await machine.startFlow(flow);
    assert.equal(await session.run(never), "failed");
    assert.doesNotMatch(JSON.stringify(session.records), new RegExp(secret));
  });
});

suite("the flow sees what is recorded", () => {
  test("so a run that goes on from records is equal to the run that made them", async () => {
    const machine = machineThatKnows([]);
    const seen: JsonValue[] = [];
    const flow = flowOf(async ({ flow: own }) => {
      seen.push(await own.step("look", { output: anything }, async () => ({ env: secret })));
      const go = await own.wait("go", yesOrNo("Go on?", { about: seen.at(-1) ?? null }));
      return go.ended === null && go.value;
    });
    const session = await machine.startFlow(flow);
    assert.equal(await session.run(never), "waiting");
    const reloaded = await machine.reload();
    const [wait] = reloaded.view.openWaits;
    assert.ok(wait);
    const answer = { wait: wait.wait, digest: wait.digest, by, value: true };
    assert.equal(await reloaded.answer(answer, never), "completed");
    assert.deepEqual(seen, [{ env: marker }, { env: marker }]);
  });

  test("a question that was asked before its secret was known is still the same question", async () => {
    const machine = new Machine([]);
    const flow = flowOf(async ({ flow: own }) => {
      const go = await own.wait("go", yesOrNo(`Send ${secret}?`));
      return go.ended === null && go.value;
    });
    const session = await machine.startFlow(flow);
    assert.equal(await session.run(never), "waiting");
    machine.secrets.register(secret);
    const reloaded = await machine.reload();
    const [wait] = reloaded.view.openWaits;
    assert.ok(wait);
    const answer = { wait: wait.wait, digest: wait.digest, by, value: true };
    assert.equal(await reloaded.answer(answer, never), "completed");
  });

  test("arguments of a call stay JSON, and a secret that is spelled with escapes is found", async () => {
    const spelled = Array.from(
      secret,
      (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ).join("");
    const machine = machineThatKnows([
      calls(["a", "exec", `{"command":"echo ${spelled}"}`]),
      says("done"),
    ]);
    const session = await machine.start({ rules: { exec: "allow" } });
    assert.equal(await session.run(never), "completed");
    assert.deepEqual(machine.commands, [`echo ${marker}`]);
  });

  test("a step whose output is no output without its secret fails, and says why", async () => {
    const machine = machineThatKnows([]);
    const flow = flowOf(async ({ flow: own }) =>
      own.step("key", { output: z.literal(secret) }, async () => secret),
    );
    const session = await machine.startFlow(flow);
    assert.equal(await session.run(never), "failed");
    const last = session.records.at(-1);
    assert.ok(last?.kind === "session.ended");
    assert.equal(last.failure?.code, "flow.invalid");
    assert.match(last.failure.message, /Keep secrets out of what a step gives back\.$/);
    assert.doesNotMatch(JSON.stringify(session.records), new RegExp(secret));
  });
});
