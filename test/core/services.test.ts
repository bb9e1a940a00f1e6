import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as z from "zod";
import { CairnError } from "../../src/core/errors.ts";
import { profilePermissions } from "../../src/core/policy.ts";
import { namedProfile } from "../../src/core/profile.ts";
import { toolOutput, type ModelReply, type Profile } from "../../src/core/records.ts";
import { defineService, type Service, type ServiceEffect } from "../../src/core/service.ts";
import { offered, secretsOf, waitMs } from "../../src/core/serviceGrant.ts";
import { begunCalls, ServiceMeter } from "../../src/core/serviceMeter.ts";
import type { Session } from "../../src/core/session.ts";
import { Secrets } from "../../src/redaction/secrets.ts";
import { execServiceTool } from "../../src/tools/execService.ts";
import { by, calls, Machine, never, says } from "./machine.ts";

const step = "turn/1/tool/a";

/** Machines with one service, which remembers the keys of its calls. */
function world(effect: ServiceEffect, grant: Profile["allowedServices"], more: object = {}) {
  const keys: string[] = [];
  const send = defineService({
    name: "send",
    description: "Sends.",
    args: z.strictObject({ to: z.string(), text: z.string().default("hello") }),
    result: z.object({ sent: z.string() }),
    effect,
    secrets: ["send-token"],
    address: "profile",
    what: ({ to }) => `send to ${to}`,
    says: ({ sent }) => `Sent ${sent}.`,
    handler: async ({ args, idempotencyKey, secret }) => {
      await secret("send-token");
      keys.push(idempotencyKey);
      onSend();
      return { sent: args.to };
    },
    ...more,
  });
  let onSend = (): void => {};
  const profile: Profile = { ...namedProfile("default"), ...grantOf(grant), apply: "onRequest" };
  const machine = (...replies: readonly ModelReply[]): Machine => {
    const made: Machine = new Machine(
      replies,
      tools([send], profile, () => meterNow(made)),
    );
    made.permissions = (given) => meterNow(made).permissions(profilePermissions(given));
    return made;
  };
  let meter: ServiceMeter | null = null;
  const meterNow = (made: Machine): ServiceMeter => {
    const { world: clock, driver } = made;
    const past = async () => begunCalls(await driver.read("s"), "exec_service");
    meter ??= new ServiceMeter(profile, () => clock.now(), past);
    return meter;
  };
  const reload = async (made: Machine): Promise<Session> => {
    meter = null;
    return made.reload();
  };
  return { keys, send, profile, machine, reload, onSent: (act: () => void) => (onSend = act) };
}

function grantOf(allowedServices: Profile["allowedServices"]) {
  return allowedServices === undefined ? {} : { allowedServices };
}

function tools(services: readonly Service[], profile: Profile, meter: () => ServiceMeter) {
  const tool = execServiceTool({
    services,
    profile,
    http: () => ({ send: async () => Promise.reject(new Error("no network here")) }),
    secret: async () => "send-0123456789",
    redactor: new Secrets().persisted,
    meter: { begin: async (name) => meter().begin(name) },
  });
  return tool === null ? [] : [tool];
}

const url = "https://send.example";
const free: Profile["allowedServices"] = { send: { url, decision: "allow" } };

function sends(id: string, args: object = { to: "team" }): ModelReply {
  return calls([id, "exec_service", { service: "send", args }]);
}

function told({ records }: Session, id = step): string {
  const done = records.findLast((one) => one.kind === "step.completed" && one.step === id);
  assert.ok(done?.kind === "step.completed", `${id} has an outcome`);
  return toolOutput.parse(done.output).text;
}

function opened({ records }: Session): readonly string[] {
  return records.flatMap((record) => (record.kind === "wait.opened" ? [record.wait] : []));
}

suite("what a profile says of a service", () => {
  test("what leaves the machine asks by default, and the card has what it reaches and its secrets by name", async () => {
    const { machine, profile, keys } = world("external", { send: { url } });
    const session = await machine(sends("a"), says("done")).start(profile);
    assert.equal(await session.run(never), "waiting");
    const [wait] = session.view.openWaits;
    assert.ok(wait?.subject.kind === "tool");
    const { what, where, undo, action } = wait.subject;
    assert.deepEqual(
      [what, where, undo],
      [
        "send: send to team",
        "this machine, outside the sandbox",
        "It cannot be taken back from here.",
      ],
    );
    assert.equal(action?.risk, "R3");
    assert.deepEqual(action.service, { service: "send", args: { to: "team", text: "hello" } });
    assert.deepEqual([action.place.secrets, action.place.network], [["send-token"], [url]]);
    assert.deepEqual(keys, []);
    const { digest } = wait;
    await session.answer(
      { wait: wait.wait, digest, value: { approved: true, note: "" }, by },
      never,
    );
    assert.equal(told(session), "Sent team.");
  });

  for (const [effect, decision, status, text] of [
    ["external", "allow", "completed", "Sent team."],
    ["external", "deny", "completed", /denies exec_service .* Nothing ran\.$/],
    ["reads", undefined, "completed", "Sent team."],
    ["none", undefined, "waiting", null],
    ["reads", "ask", "waiting", null],
  ] as const) {
    test(`a service of effect ${effect} with the decision ${decision ?? "of its risk"}: ${status}`, async () => {
      const grant = { send: { url, ...(decision === undefined ? {} : { decision }) } };
      const { machine, profile } = world(effect, grant);
      const session = await machine(sends("a"), says("done")).start(profile);
      assert.equal(await session.run(never), status);
      if (typeof text === "string") assert.equal(told(session), text);
      else if (text !== null) assert.match(told(session), text);
    });
  }

  test("arguments that have to have a value: the model is told of those alone, and another is refused", async () => {
    const { machine, profile, keys } = world("external", {
      send: { url, decision: "allow", args: { to: ["team", "ops"] } },
    });
    const made = machine(sends("a", { to: "all" }), sends("b", { to: "ops" }), says("done"));
    const session = await made.start(profile);
    await session.run(never);
    assert.equal(told(session), 'to of send has to be one of "team", "ops". Nothing ran.');
    assert.equal(told(session, "turn/1/tool/b"), "Sent ops.");
    assert.equal(keys.length, 1);
    const parameters = JSON.stringify(made.extra[0]?.describe.parameters);
    assert.match(parameters, /"to":\{"enum":\["team","ops"\]\}/);
    assert.match(parameters, /"service":\{"type":"string","enum":\["send"\]\}/);
  });

  test("of several actions the model is told of the allowed ones, and another is refused", () => {
    const args = z.discriminatedUnion("action", [
      z.strictObject({ action: z.literal("create"), title: z.string() }),
      z.strictObject({ action: z.literal("close"), number: z.int() }),
    ]);
    const issue = world("external", {}, { args, what: () => "" }).send;
    const profile = {
      ...namedProfile("default"),
      allowedServices: { send: { actions: ["close"] } },
    };
    const [tool] = tools([issue], profile, () => assert.fail());
    assert.doesNotMatch(JSON.stringify(tool?.describe), /"create"/);
    const prepare = (given: object) =>
      tool?.prepare({
        id: "a",
        tool: "exec_service",
        args: JSON.stringify({ service: "send", args: given }),
      });
    const refused = prepare({ action: "create", title: "t" });
    assert.deepEqual(refused, {
      kind: "refused",
      text: 'action of send has to be one of "close". Nothing ran.',
    });
    assert.equal(prepare({ action: "close", number: 1 })?.kind, "run");
  });

  test("a profile without services has no such tool", async () => {
    const { machine, profile } = world("external", {});
    const session = await machine(sends("a"), says("done")).start(profile);
    await session.run(never);
    assert.match(told(session), /^There is no tool "exec_service"\./);
  });

  test("names that every object has are no services", () => {
    const { send, profile } = world("external", free);
    const [tool] = tools([send], profile, () => assert.fail());
    for (const name of ["constructor", "__proto__", "toString"]) {
      const args = JSON.stringify({ service: name, args: {} });
      assert.equal(tool?.prepare({ id: "a", tool: "exec_service", args }).kind, "refused");
    }
  });

  test("secrets are those of what is allowed, each once", () => {
    const { send, profile } = world("external", free);
    assert.deepEqual(secretsOf(profile, [send, send]), ["send-token"]);
    assert.deepEqual(secretsOf(namedProfile("default"), [send]), []);
  });
});

suite("what a new session may be started with", () => {
  const { send, profile } = world("external", free);

  test("a service that does not exist is named, with those that there are", () => {
    const wrong = { ...profile, allowedServices: { sned: {} } };
    assert.throws(() => offered(wrong, [send], true), {
      code: "service.unknown",
      message:
        "The profile default allows the service sned, which does not exist. There are: send.",
    });
  });

  test("a service without an address is refused with what to add", () => {
    const wrong = { ...profile, allowedServices: { send: {} } };
    assert.throws(() => offered(wrong, [send], true), {
      code: "profile.invalid",
      message: /does not say where it lies\. Add its url/,
    });
  });

  test("what needs the editor is not offered in a terminal, and that is said", () => {
    const inEditor = { ...send, needsEditor: true };
    const { leftOut, profile: kept } = offered(profile, [inEditor], false);
    assert.deepEqual(leftOut, ["send needs the editor, and is not offered here."]);
    assert.deepEqual(kept.allowedServices, {});
    assert.deepEqual(offered(profile, [inEditor], true).profile, profile);
  });
});

suite("limits of calls", () => {
  const limited: Profile["allowedServices"] = {
    send: { url, callsPerMinute: 2, decision: "allow" },
  };

  test("one call too many is refused and names when it is free again", async () => {
    const { machine, profile, keys } = world("external", limited);
    const made = machine(sends("a"), sends("b"), sends("c"), says("done"));
    const session = await made.start(profile);
    await session.run(never);
    assert.equal(keys.length, 2);
    assert.match(
      told(session, "turn/1/tool/c"),
      /^The service send may be called 2 times in a minute\. It is free again in 60 s, at 1970-.* UTC\. Nothing ran\.$/,
    );
  });

  test("nobody is asked about a call that could not be made, and calls of an earlier process count", async () => {
    const { machine, profile, keys, reload } = world("none", {
      send: { url, callsPerMinute: 1 },
    });
    const made = machine(sends("a"), sends("b"), says("done"));
    const session = await made.start(profile);
    await session.run(never);
    const reloaded = await reload(made);
    const [wait] = reloaded.view.openWaits;
    const value = { approved: true, note: "" };
    await reloaded.answer({ wait: wait?.wait ?? "", digest: wait?.digest ?? "", value, by }, never);
    assert.equal(keys.length, 1);
    assert.match(told(reloaded, "turn/1/tool/b"), /may be called once in a minute/);
    assert.deepEqual(opened(reloaded), ["turn/1/tool/a/approval"]);
  });

  test("the window slides, and a clock that is set back closes nothing for longer", () => {
    assert.equal(waitMs([0, 30_000], 2, 30_000), 30_000);
    assert.equal(waitMs([0, 30_000], 2, 60_000), 0);
    assert.equal(waitMs([0, 30_000], 2, 59_999), 1);
    assert.equal(waitMs([9e9, 9e9], 2, 1000), 60_000);
    assert.equal(waitMs([1, 2, 3], 2, 10), 59_992);
  });
});

suite("a service's idempotency key", () => {
  test("is the same after a crash and a run again, and another for a new call", async () => {
    const { machine, profile, keys, reload } = world("external", free);
    const made = machine(sends("a"), sends("b"), says("done"));
    const session = await made.start(profile);
    made.driver.beforeAppend = (body) => {
      const ends = ["step.completed", "step.failed", "session.ended"].includes(body.kind);
      if (ends && keys.length > 0) throw new Error("killed");
    };
    await assert.rejects(session.run(never));
    made.driver.beforeAppend = () => {};
    const reloaded = await reload(made);
    assert.equal(await reloaded.resume(never), "waiting");
    assert.equal(keys.length, 1);
    const [wait] = reloaded.view.openWaits;
    assert.ok(wait?.subject.kind === "inDoubt");
    assert.deepEqual(wait.subject.sent, { service: "send", args: { to: "team", text: "hello" } });
    const value = { choice: "runAgain" };
    await reloaded.answer({ wait: wait.wait, digest: wait.digest, value, by }, never);
    assert.equal(reloaded.view.status, "completed");
    assert.equal(keys.length, 3);
    assert.equal(keys[0], keys[1]);
    assert.notEqual(keys[1], keys[2]);
    assert.equal(keys[0], wait.subject.operation);
  });

  test("is the same when a failed session is retried after an unknown outcome", async () => {
    const { machine, profile, keys, onSent } = world("external", free);
    const made = machine(sends("a"), says("done"));
    const session = await made.start(profile);
    onSent(() => {
      throw new TypeError("a bug behind the effect");
    });
    assert.equal(await session.run(never), "failed");
    onSent(() => {});
    assert.equal(await session.retry(never), "waiting");
    const [wait] = session.view.openWaits;
    const value = { choice: "runAgain" };
    await session.answer({ wait: wait?.wait ?? "", digest: wait?.digest ?? "", value, by }, never);
    assert.equal(keys.length, 2);
    assert.equal(keys[0], keys[1]);
  });

  test("is another one in a fork, and a replay sends nothing", async () => {
    const { machine, profile, keys } = world("external", free);
    const made = machine(sends("a"), says("done"), says("done"));
    await (await made.start(profile)).run(never);
    const replayed = await made.derive("s", "replayed");
    assert.equal(await replayed.run(never), "completed");
    assert.equal(told(replayed), "Sent team.");
    assert.equal(keys.length, 1);
    const forked = await made.derive("s", "forked", { mode: "fork", at: step });
    assert.equal(await forked.run(never), "completed");
    assert.equal(keys.length, 2);
    assert.notEqual(keys[0], keys[1]);
  });
});

suite("a handler", () => {
  test("that never ends is left alone after the time of a command, and is said to be uncertain", async () => {
    const hang = { handler: async () => new Promise(() => {}) };
    const { machine, profile } = world("external", free, hang);
    const session = await machine(sends("a"), says("done")).start({
      ...profile,
      commandTimeoutMs: 20,
    });
    const alive = setTimeout(() => {}, 5000);
    assert.equal(await session.run(never), "completed");
    clearTimeout(alive);
    assert.match(told(session), /did not end within 0\.02 s\. It may have been done all the same/);
  });

  test("gets no secret that its service does not declare", async () => {
    const asks = {
      handler: async ({ secret }: { secret: (name: string) => Promise<string> }) => ({
        sent: await secret("other"),
      }),
    };
    const { machine, profile } = world("external", free, asks);
    const session = await machine(sends("a"), says("done")).start(profile);
    await session.run(never);
    assert.match(told(session), /asked for the secret other, which it does not declare/);
  });

  test("that finds no secret says its name, and the turn goes on", async () => {
    const { machine, profile } = world("external", free, {
      handler: async () => {
        throw new CairnError("secret.missing", "There is no secret send-token.");
      },
    });
    const session = await machine(sends("a"), says("done")).start(profile);
    assert.equal(await session.run(never), "completed");
    assert.equal(told(session), "send: There is no secret send-token. [secret.missing]");
  });
});
