import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { SessionRecord } from "../../src/core/records.ts";
import { startDemoServer } from "../../src/model/demoServer.ts";
import { Cairn } from "./cairn.ts";

const sample = new URL("../../media/demo", import.meta.url).pathname;
const cairn = new Cairn();
after(() => cairn.remove());

const demo = await startDemoServer();
after(async () => demo.close());
const keyFile = join(cairn.place, "key");
writeFileSync(keyFile, demo.key);

interface Place {
  readonly workspace: string;
  readonly start: readonly string[];
}

function place(name: string): Place {
  const workspace = join(cairn.place, name);
  cpSync(sample, workspace, { recursive: true });
  const where = ["--workspace", workspace, "--api-key-file", keyFile];
  const model = ["--model-url", demo.url, "--model", "demo", "--sandbox", "embedded"];
  return { workspace, start: ["run", "--json", "--goal", "Fix the test.", ...model, ...where] };
}

/** Does what a person would do until the session has ended: resume it, answer it. */
async function finish({ workspace }: Place): Promise<readonly SessionRecord[]> {
  const where = ["--json", "--workspace", workspace, "--api-key-file", keyFile];
  for (let round = 0; round < 20; round += 1) {
    const [session] = await cairn.sessions(workspace);
    assert.ok(session, "the session is there");
    if (session.status === "completed") return cairn.records(workspace, session.session);
    const [wait] = session.waits;
    const verb =
      wait === undefined
        ? ["resume", session.session]
        : ["answer", session.session, wait.wait, wait.suggested];
    const { code, stderr } = await cairn.run([...verb, ...where]);
    assert.ok(code === 0 || code === 3, `${verb.join(" ")}: ${code} ${stderr}`);
  }
  throw new Error("the session did not come to its end");
}

const models = (records: readonly SessionRecord[]): number =>
  records.filter((record) => record.kind === "step.completed" && record.stepKind === "model").length;

const started = (records: readonly SessionRecord[]): readonly string[] =>
  records.flatMap((record) => (record.kind === "step.started" ? [record.step] : []));

const outcomes = (records: readonly SessionRecord[]): readonly string[] =>
  records.flatMap((record) => (record.kind === "step.completed" ? [record.step] : []));

test("killed at every record of the demo session in turn: no model call and no command is repeated", async (t) => {
  const reference = place("reference");
  await cairn.run(reference.start);
  const whole = await finish(reference);
  const fixed = readFileSync(join(reference.workspace, "total.sh"), "utf8");
  assert.notEqual(fixed, readFileSync(join(sample, "total.sh"), "utf8"));

  // The first run lands records up to its first wait; the rest land while an answer is carried out.
  const firstRun = whole.findIndex((record) => record.kind === "wait.opened") + 1;
  const kill = async (at: number): Promise<void> => {
    const here = place(`killed-${at}`);
    const { signal } = await cairn.run(here.start, { killAfterLines: at });
    if (at < firstRun) assert.equal(signal, "SIGKILL");
    const [session] = await cairn.sessions(here.workspace);
    assert.ok(session);
    if (at > firstRun) {
      const [wait] = session.waits;
      assert.ok(wait);
      const where = ["--json", "--workspace", here.workspace, "--api-key-file", keyFile];
      const answer = ["answer", session.session, wait.wait, wait.suggested, ...where];
      await cairn.run(answer, { killAfterLines: at - firstRun });
    }
    const atKill = await cairn.records(here.workspace, session.session);
    assert.ok(atKill.length >= Math.min(at, whole.length), "no acknowledged record is lost");

    const before = demo.requests();
    const records = await finish(here);
    assert.deepEqual(records.slice(0, atKill.length), atKill, "what was recorded stays");
    assert.equal(demo.requests() - before, models(whole) - models(atKill), "model calls after");
    const done = new Set(outcomes(atKill));
    const again = started(records.slice(atKill.length)).filter((step) => done.has(step));
    assert.deepEqual(again, [], "no finished command is started again");
    assert.deepEqual(outcomes(records), outcomes(whole), "the same steps, once each, in order");
    assert.equal(readFileSync(join(here.workspace, "total.sh"), "utf8"), fixed);
  };
  for (let at = 1; at <= whole.length; at += 1) {
    await t.test(`after record ${at}, ${whole[at - 1]?.kind}`, async () => kill(at));
  }
});
