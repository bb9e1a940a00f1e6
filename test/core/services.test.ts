import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as z from "zod";
import type { Action } from "../../src/core/action.ts";
import { callQuestion } from "../../src/core/actionWords.ts";
import { profilePermissions } from "../../src/core/policy.ts";
import { namedProfile } from "../../src/core/profile.ts";
import { waitDigest } from "../../src/core/recordedWait.ts";
import type { JsonValue, RecordBody, SessionRecord } from "../../src/core/records.ts";
import { offered, secretsOf } from "../../src/core/serviceGrant.ts";
import { anyPlace } from "../contracts/records.ts";
import { by, never, says, type Machine } from "./machine.ts";
import { free, sends, told, tools, url, world } from "./serviceWorld.ts";

/** As a Cairn recorded it that had one title for all tools. */
function inOlderWords({ world: clock }: Machine, record: SessionRecord): RecordBody {
  if (record.kind !== "wait.opened") return record;
  const question = "Run exec_service?";
  const digest = waitDigest(clock, { kind: record.waitKind, question, subject: record.subject });
  return { ...record, question, digest };
}

const anyAction: Action = {
  session: "s",
  tool: "exec_service",
  risk: "R3",
  args: "digest",
  paths: [],
  place: anyPlace,
};

suite("what a profile says of a service", () => {
  test("what leaves the machine asks by default, and the card has what it reaches and its secrets by name", async () => {
    const { machine, profile, keys } = world("external", { send: { url } });
    const session = await machine(sends("a"), says("done")).start(profile);
    assert.equal(await session.run(never), "waiting");
    const [wait] = session.view.openWaits;
    assert.ok(wait?.subject.kind === "tool");
    assert.equal(wait.question, "Call send?");
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

  test("an approval names the service, and its action where that is one word", () => {
    const asks = (args: JsonValue): string =>
      callQuestion({ ...anyAction, service: { service: "github_issue", args } });
    assert.equal(asks({ action: "create" }), "Call github_issue (create)?");
    assert.equal(asks({ action: "create? Yes, press" }), "Call github_issue?");
    assert.equal(asks({ action: ["create"] }), "Call github_issue?");
    assert.equal(asks(null), "Call github_issue?");
    assert.equal(callQuestion(anyAction), "Run exec_service?");
  });

  test("what was asked in older words is answered as it was asked", async () => {
    const { machine, profile, keys } = world("external", { send: { url } });
    const asking = await machine(sends("a"), says("done")).start(profile);
    await asking.run(never);
    const later = machine(sends("a"), says("done"));
    const [first, ...others] = asking.records.map((record) => inOlderWords(later, record));
    assert.ok(first !== undefined);
    const lease = await later.driver.create("s", first);
    for (const record of others) await later.driver.append(lease, record);
    const session = await later.reload();
    const [wait] = session.view.openWaits;
    assert.equal(wait?.question, "Run exec_service?");
    const value = { approved: true, note: "" };
    await session.answer({ wait: wait.wait, digest: wait.digest, value, by }, never);
    assert.equal(told(session), "Sent team.");
    assert.equal(keys.length, 1);
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

  test("what a profile denies by default no decision for a service allows", async () => {
    const { machine, profile, keys } = world("none", free);
    const { defaults } = namedProfile("offline");
    const session = await machine(sends("a"), says("done")).start({
      ...profile,
      ...(defaults === undefined ? {} : { defaults }),
    });
    assert.equal(await session.run(never), "completed");
    assert.match(told(session), /denies exec_service by default/);
    assert.deepEqual(keys, []);
  });

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

  test("policy itself refuses what the profile does not allow, whoever made the action", async () => {
    const { machine, profile } = world("external", {
      send: { url, decision: "allow", args: { to: ["team"] } },
    });
    const session = await machine(sends("a"), says("done")).start({ ...profile, unattended: true });
    await session.run(never);
    assert.equal(told(session), "Sent team.");
    const policy = profilePermissions(profile);
    const place = {
      sandbox: "d",
      cwd: null,
      env: null,
      network: [],
      secrets: [],
      stdin: null,
      timeoutMs: 1,
    };
    const action = async (service: string, to: string) =>
      policy.decide({
        session: "s",
        tool: "exec_service",
        risk: "R3",
        args: "",
        paths: [],
        service: { service, args: { to } },
        place,
      });
    assert.equal((await action("send", "team")).verdict, "allow");
    assert.equal((await action("send", "ops")).verdict, "deny");
    assert.equal((await action("other", "team")).verdict, "deny");
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
