import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import type { Profile } from "../../src/core/profileRecord.ts";
import { waitMs } from "../../src/core/serviceGrant.ts";
import { by, calls, never, says } from "./machine.ts";

import { free, opened, sends, step, told, url, world } from "./serviceWorld.ts";

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

  test("of calls that are made at once no more begin than may", async () => {
    const { machine, profile, keys } = world("none", limited);
    const send = { service: "send", args: { to: "team" } };
    const made = machine(
      calls(...["a", "b", "c", "d"].map((id) => [id, "exec_service", send] as const)),
      says("done"),
    );
    const session = await made.start(profile);
    await session.run(never);
    assert.equal(keys.length, 2);
    const refused = ["a", "b", "c", "d"].filter((id) =>
      told(session, `turn/1/tool/${id}`).includes("free again"),
    );
    assert.equal(refused.length, 2);
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

suite("a call in doubt", () => {
  const mark = { sent: "team" };
  const looks = {
    handler: async () => {
      throw new TypeError("a bug behind the effect");
    },
    observe: async ({ idempotencyKey }: { idempotencyKey: string }) => ({
      text: `It is there under ${idempotencyKey.slice(0, 4)}.`,
      seen: "happened" as const,
      result: mark,
    }),
  };

  test("shows what the service sees of it, and its result can be taken over", async () => {
    const { machine, profile } = world("external", free, looks);
    const session = await machine(sends("a"), says("done")).start(profile);
    assert.equal(await session.run(never), "failed");
    assert.equal(await session.retry(never), "waiting");
    const [wait] = session.view.openWaits;
    assert.ok(wait?.subject.kind === "inDoubt");
    const { seen, observed, operation } = wait.subject;
    assert.equal(seen, "happened");
    assert.match(observed ?? "", new RegExp(`It is there under ${operation.slice(0, 4)}\\.`));
    const { digest } = wait;
    await session.answer({ wait: wait.wait, digest, value: { choice: "happened" }, by }, never);
    assert.equal(told(session), "Sent team.");
    assert.equal(session.view.status, "completed");
  });

  test("is asked about also when the service cannot be looked at", async () => {
    const observe = async () => {
      throw new CairnError("service.unavailable", "It cannot be reached (ECONNREFUSED).");
    };
    const { machine, profile } = world("external", free, { ...looks, observe });
    const session = await machine(sends("a"), says("done")).start(profile);
    await session.run(never);
    assert.equal(await session.retry(never), "waiting");
    const [wait] = session.view.openWaits;
    assert.ok(wait?.subject.kind === "inDoubt");
    assert.match(wait.subject.observed ?? "", /could not be looked at: It cannot be reached/);
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
