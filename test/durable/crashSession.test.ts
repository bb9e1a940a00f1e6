import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildWriters } from "./faults/builtWriters.ts";
import { driveLedger, ledger } from "./faults/driveLedger.ts";
import { compileShim, faultEnvironment, newControl } from "./faults/ioFaults.ts";
import { deathOf, doubts, wrongAfter, wrongAtDeath, wrongAtEnd } from "./faults/ledgerVerdict.ts";
import { openStore } from "./faults/openStore.ts";
import { recordsInCopy } from "./faults/storeHere.ts";
import { WorkLog } from "./faults/workLog.ts";

/** So many images are gone on with at once, each on a store thread of its own. */
const atOnce = 4;

const root = mkdtempSync(join(tmpdir(), "cairn-session-"));
after(() => rmSync(root, { recursive: true, force: true }));
await buildWriters(root);
const library = compileShim(root);

const images = join(root, "images");
const directory = join(root, "whole");
for (const folder of [images, directory]) mkdirSync(folder);
const log = join(root, "work.log");
const writer = spawn(process.execPath, [join(root, "ledgerWriter.mjs"), root, directory, log], {
  env: {
    ...process.env,
    ...faultEnvironment(library, newControl(join(root, "control")), directory),
    CAIRN_FAULT_IMAGES: images,
    CAIRN_FAULT_BESIDE: log,
  },
  stdio: ["ignore", "ignore", "inherit"],
});
await once(writer, "exit");
const calls = readdirSync(images);
let asked = 0;

/** Goes on from what a kill before this call would have left; returns what is wrong. */
async function goOnFrom(call: string): Promise<readonly string[]> {
  const image = join(images, call);
  const imageLog = new WorkLog(join(image, "work.log"));
  const death = deathOf(recordsInCopy(image, ledger), imageLog);
  const problems = [...wrongAtDeath(death)];
  const driver = openStore(root, image);
  try {
    const { records } = await driveLedger(driver, imageLog);
    asked += doubts(records);
    problems.push(...wrongAfter(death, records, imageLog), ...wrongAtEnd(records, imageLog));
  } catch (error) {
    problems.push(String(error));
  }
  await driver.close();
  rmSync(image, { recursive: true });
  const where = `call ${call}, after record ${death.records.length}`;
  return problems.map((problem) => `${where}: ${problem}`);
}

test("the session without a kill comes to its end", () => {
  assert.equal(writer.exitCode, 0);
  const whole = new WorkLog(log);
  assert.deepEqual(wrongAtEnd(recordsInCopy(directory, ledger), whole), []);
});

test(`twelve steps with waits, effects and branches, at every one of ${calls.length} calls on the disk: from what a kill leaves there, no finished step runs again and every effect without a record is asked about`, async () => {
  const queue = calls.values();
  const wrong: string[] = [];
  const lane = async (): Promise<void> => {
    for (const call of queue) wrong.push(...(await goOnFrom(call)));
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  assert.deepEqual(wrong, []);
  assert.ok(asked > 0, "there were effects in doubt");
});
