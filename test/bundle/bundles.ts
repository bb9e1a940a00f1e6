import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { CairnError } from "../../src/core/errors.ts";
import type { RecordBody } from "../../src/core/records.ts";
import { exportBundle, importBundle } from "../../src/bundle/bundle.ts";
import { bundleLimits } from "../../src/bundle/bundleFormat.ts";
import { noteRecord, startRecord, stepRecord } from "../contracts/records.ts";
import { MemoryDriver } from "../fakes/memoryDriver.ts";
import { Secrets } from "../../src/redaction/secrets.ts";
import { random } from "../redaction/secretSamples.ts";

export const made = { version: "0.2.0", madeAt: 1_700_000_000_000 };
export const github = `ghp_${random(36)}`;

export async function linesOf(
  driver: MemoryDriver,
  session: string,
  { known = [], ...more }: { readonly known?: readonly string[]; readonly madeAt?: number } = {},
): Promise<string[]> {
  return all(exportBundle(driver, session, { ...made, redaction: redactionOf(known), ...more }));
}

export function redactionOf(known: readonly string[]): Secrets["exported"] {
  const secrets = new Secrets();
  for (const value of known) secrets.register(value);
  return secrets.exported;
}

export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

export async function driverWith(
  records: readonly RecordBody[],
  blobs: readonly (string | Uint8Array)[] = [],
  session = "one",
): Promise<MemoryDriver> {
  const driver = new MemoryDriver();
  const [first = startRecord(), ...rest] = records;
  const lease = await driver.create(session, first);
  for (const record of rest) await driver.append(lease, record);
  await driver.putBlobs(
    session,
    blobs.map((blob) => (typeof blob === "string" ? Buffer.from(blob) : blob)),
  );
  await driver.release(lease);
  return driver;
}

export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The line that the error names. */
export async function lineRefused(
  lines: readonly string[],
  limits = bundleLimits,
): Promise<number> {
  const driver = new MemoryDriver();
  let line = 0;
  await assert.rejects(importBundle(driver, each(lines), { limits }), (error) => {
    assert.ok(CairnError.is(error, "bundle.invalid"), String(error));
    assert.match(error.message, /\. \S.*\.$/, "it says what to do");
    assert.doesNotMatch(error.message, /\p{Cc}/u);
    line = Number(error.details["line"]);
    return true;
  });
  assert.deepEqual(await driver.list(), [], "nothing is stored");
  return line;
}

export const plain = [startRecord(), noteRecord(2), stepRecord({ text: "hello", ok: true })];

/** Of six lines: header, three records, a blob, the closing one. */
export async function someLines(...more: readonly string[]): Promise<string[]> {
  return linesOf(await driverWith(plain, ["a file", ...more]), "one");
}
