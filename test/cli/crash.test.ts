import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import type { SessionRecord } from "../../src/core/records.ts";
import { startDemoServer } from "../../src/model/demoServer.ts";
import { Cairn } from "./cairn.ts";

const sample = new URL("../../media/demo", import.meta.url).pathname;
const cairn = new Cairn();
after(() => cairn.remove());

interface Place {
  readonly workspace: string;
  /** Model calls that reached the server so far. */
  calls(): number;
  readonly start: readonly string[];
  /** Options that every later command needs. */
  readonly where: readonly string[];
}

/** A copy of the sample with a model server of its own, which outlives every kill. */
async function place(name: string): Promise<Place> {
  const workspace = join(cairn.place, name);
  cpSync(sample, workspace, { recursive: true });
  const demo = await startDemoServer();
  after(async () => demo.close());
  const keyFile = join(cairn.place, `${name}.key`);
  writeFileSync(keyFile, demo.key);
  const where = ["--json", "--workspace", workspace, "--api-key-file", keyFile];
  const model = ["--model-url", demo.url, "--model", "demo", "--sandbox", "embedded"];
  const start = ["run", "--goal", "Fix the test.", ...model, ...where];
  return { workspace, calls: () => demo.requests(), start, where };
}

/** What a person does next: resume what was interrupted, answer what waits. Null when it has ended. */
async function next({ workspace, where }: Place): Promise<readonly string[] | null> {
  const [session] = await cairn.sessions(workspace);
  assert.ok(session, "the session is there");
  if (session.status === "completed") return null;
  const [wait] = session.waits;
  if (wait === undefined) return ["resume", session.session, ...where];
  // Where the evidence of an effect in doubt is that nothing was written, it is done again.
  const again = wait.wait.includes("/inDoubt/") && wait.suggested === "skip";
  const answer = again ? "again" : wait.suggested;
  return ["answer", session.session, wait.wait, answer, ...where];
}

async function recorded({ workspace }: Place): Promise<readonly SessionRecord[]> {
  const [session] = await cairn.sessions(workspace);
  assert.ok(session, "the session is there");
  return cairn.records(workspace, session.session);
}

async function finish(here: Place): Promise<readonly SessionRecord[]> {
  for (let verb = await next(here); verb !== null; verb = await next(here)) {
    const { code, stderr } = await cairn.run(verb);
    assert.ok(code === 0 || code === 3, `${verb.join(" ")}: ${code} ${stderr}`);
  }
  return recorded(here);
}

/** Drives a session from the start and kills its process when its record number `at` was printed. */
async function killAt(here: Place, at: number): Promise<readonly SessionRecord[]> {
  let verb: readonly string[] | null = here.start;
  for (let landed = 0; verb !== null; verb = await next(here)) {
    await cairn.run(verb, { killAfterLines: at - landed });
    const records = await recorded(here);
    landed = records.length;
    if (landed >= at) return records;
  }
  throw new Error(`the session has no record ${at}`);
}

const models = (records: readonly SessionRecord[]): number =>
  records.filter((record) => record.kind === "step.completed" && record.stepKind === "model")
    .length;

const started = (records: readonly SessionRecord[]): readonly string[] =>
  records.flatMap((record) => (record.kind === "step.started" ? [record.step] : []));

const outcomes = (records: readonly SessionRecord[]): readonly string[] =>
  records.flatMap((record) => (record.kind === "step.completed" ? [record.step] : []));

const reference = await place("reference");
await cairn.run(reference.start);
const whole = await finish(reference);
const fixed = readFileSync(join(reference.workspace, "total.sh"), "utf8");

suite("killed at every record of the demo session in turn", { concurrency: 2 }, () => {
  test("the session without a kill fixes the sample, asking twice", () => {
    assert.notEqual(fixed, readFileSync(join(sample, "total.sh"), "utf8"));
    assert.equal(whole.filter((record) => record.kind === "wait.opened").length, 2);
    assert.equal(reference.calls(), models(whole));
  });

  for (const [index, { kind }] of whole.entries()) {
    test(`after record ${index + 1}, ${kind}: no model call and no command is repeated`, async () => {
      const here = await place(`killed-${index + 1}`);
      const atKill = await killAt(here, index + 1);
      const before = here.calls();

      const records = await finish(here);
      assert.deepEqual(records.slice(0, atKill.length), atKill, "what was recorded stays");
      assert.equal(here.calls() - before, models(whole) - models(atKill), "model calls after");
      const done = new Set(outcomes(atKill));
      const again = started(records.slice(atKill.length)).filter((step) => done.has(step));
      assert.deepEqual(again, [], "no finished command is started again");
      const [did, wanted] = [outcomes(records), outcomes(whole)].map((steps) => steps.toSorted());
      // Calls of one answer run side by side, so which of them is recorded first is not fixed.
      assert.deepEqual(did, wanted, "the same steps, once each");
      assert.equal(readFileSync(join(here.workspace, "total.sh"), "utf8"), fixed);
      const doubts = records.filter(
        (record) => record.kind === "wait.opened" && record.waitKind === "inDoubt",
      );
      const last = atKill.at(-1);
      const inDoubt = last?.kind === "step.started" && last.effect === "external";
      assert.equal(doubts.length, inDoubt ? 1 : 0, "an effect without a record is in doubt");
    });
  }
});
