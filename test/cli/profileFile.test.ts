import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { namedProfile } from "../../src/core/profile.ts";
import type { Profile } from "../../src/core/profileRecord.ts";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";

const cairn = new Cairn();
after(() => cairn.remove());

/** The profile that a session was started with, as it is on record. */
async function recorded(desk: Desk): Promise<Profile> {
  const [first] = await desk.records();
  assert.ok(first?.kind === "session.started");
  return first.spec.profile;
}

async function started(...args: readonly string[]): Promise<Profile> {
  const desk = await Desk.open(cairn, [{ text: "Done." }]);
  const ran = await desk.start(["--goal", "Go.", ...args]);
  assert.equal(ran.code, 0, ran.stderr);
  return recorded(desk);
}

suite("profiles", { concurrency: 2 }, () => {
  test("a profile file gives budgets, cache, keep, prices and contextTokens in part; the rest is as in default, and flags go before it", async () => {
    const path = cairn.json("part.json", {
      name: "part",
      budgets: { tokens: 5000, modelCalls: null },
      cache: "workspace",
      keep: { skill: { checkpoint: false } },
      prices: { scripted: { input: 1, cachedInput: 0.1, output: 2 } },
      contextTokens: 32_000,
    });
    const profile = await started("--profile", path, "--budget", "wallTime=10m");
    assert.deepEqual(profile.budgets, {
      tokens: 5000,
      money: null,
      modelCalls: null,
      commands: null,
      wallTimeMs: 600_000,
      sameFailure: 5,
    });
    assert.equal(profile.cache, "workspace");
    assert.deepEqual(profile.keep, { skill: { checkpoint: false } });
    assert.deepEqual(profile.prices, { scripted: { input: 1, cachedInput: 0.1, output: 2 } });
    assert.equal(profile.contextTokens, 32_000);
    assert.deepEqual(profile.tools, namedProfile("default").tools);
    assert.equal((await started("--profile", path, "--cache", "off")).cache, "off");
  });

  test("a file in the folder under the name of a profile is not that profile", async () => {
    const desk = await Desk.open(cairn, [{ text: "Done." }], {
      careful: JSON.stringify({ name: "careful", defaults: { R1: "allow", R3: "allow" } }),
    });
    const within = ["sh", "-c", 'cd "$0" && exec "$@"', desk.workspace];
    const ran = await desk.start(["--goal", "Go.", "--profile", "careful"], { within });
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual((await recorded(desk)).defaults, namedProfile("careful").defaults);
    const byPath = await desk.start(["--goal", "Go.", "--profile", "./careful"], { within });
    assert.equal(byPath.code, 0, byPath.stderr);
    assert.equal((await recorded(desk)).defaults?.R3, "allow");
  });

  test("--strategy and its older name mean the same", async () => {
    assert.equal((await started()).strategy, "calls");
    assert.equal((await started("--strategy", "turn")).strategy, "turn");
    assert.equal((await started("--no-granular-checkpoints")).strategy, "turn");
    assert.equal(
      (await started("--granular-checkpoints", "--strategy", "calls")).strategy,
      "calls",
    );
  });

  test("A tool opted out of checkpoints re-executes on replay; a tool with its cache off keeps the record and re-executes; both differ and both are shown.", async () => {
    const path = cairn.json("keep.json", {
      name: "keep",
      apply: "onRequest",
      keep: { skill: { checkpoint: false }, exec: { cache: "off" } },
    });
    const desk = await Desk.open(cairn, [
      {
        text: "",
        calls: [
          { id: "list", tool: "skill", args: { action: "list" } },
          { id: "run", tool: "exec", args: { command: "echo ran" } },
        ],
      },
      { text: "Done." },
    ]);
    const ran = await desk.start(["--profile", path, "--goal", "Go."]);
    assert.equal(ran.code, 0, ran.stderr);
    const { session } = await desk.session();
    const replayed = await desk.do(["replay", session]);
    assert.equal(replayed.code, 0, replayed.stderr);
    for (const { stdout } of [ran, replayed]) {
      assert.match(stdout, /turn\/1\/tool\/list \(\d+ ms, no checkpoint\)/);
      assert.match(stdout, /turn\/1\/tool\/run \(\d+ ms, cache off\)/);
    }
    assert.match(replayed.stdout, /turn\/1\/model \(replayed/);
    assert.deepEqual(desk.commands, ["echo ran", "echo ran"]);
    const id = (await desk.session()).session;
    const off = await desk.do(["explain", id, "run"]);
    assert.match(off.stdout, /It ran although a result was on record: its cache is off\./);
  });

  test("when the model's window is full, older texts are shortened on record and stay whole in the store", async () => {
    const path = cairn.json("small.json", {
      name: "small",
      apply: "onRequest",
      contextTokens: 3000,
    });
    const long = (id: string) => ({
      text: "",
      calls: [{ id, tool: "exec", args: { command: `seq -s ' ' 1 900; echo ${id}` } }],
    });
    const ids = ["a", "b", "c", "d", "e", "f"];
    const desk = await Desk.open(cairn, [...ids.map(long), { text: "Done." }]);
    const ran = await desk.start(["--profile", path, "--goal", "Go."]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(
      ran.stdout,
      /turn\/1\/compaction.*: \d+ older texts shortened to fit the model's window, about \d+ → \d+ tokens; all of them stay on record/,
    );
    const texts = (await desk.records()).flatMap((record) =>
      record.kind === "step.completed" && record.stepKind === "tool" ? [record.output] : [],
    );
    assert.ok(texts.every((text) => JSON.stringify(text).includes(" 899 900")));
  });
});
