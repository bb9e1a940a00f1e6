import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { startRecord, stepRecord } from "../contracts/records.ts";
import { importBundle, verifyBundle } from "../../src/bundle/bundle.ts";
import { bundleLimits } from "../../src/bundle/bundleFormat.ts";
import { bundleLines } from "../../src/bundle/bundleLines.ts";
import { MemoryDriver } from "../fakes/memoryDriver.ts";
import { digestOf, each, lineRefused, linesOf, someLines } from "./bundles.ts";

/** The same lines with others in their place, sums and closing hash made right again, as a forger would. */
function forged(
  lines: readonly string[],
  change: (contents: Content[]) => readonly unknown[],
): string[] {
  const contents = lines.slice(0, -1).map((line): Content => JSON.parse(line));
  for (const content of contents) delete content["sum"];
  let sum = "";
  const resealed = change(contents).map((content) => {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    sum = digestOf(sum + text).slice(0, 16);
    return `${text.slice(0, -1)},"sum":"${sum}"}\n`;
  });
  const closing: Content = JSON.parse(lines.at(-1) ?? "");
  return [...resealed, `${JSON.stringify({ ...closing, sha256: digestOf(resealed.join("")) })}\n`];
}
type Content = Record<string, unknown>;

suite("a bundle that a forger made is refused or harmless", () => {
  test("the forger of these tests can make a bundle that is read", async () => {
    const lines = forged(await someLines(), (contents) => contents);
    assert.deepEqual(lines, await someLines());
  });

  const headers: Record<string, unknown> = {
    "a path": { session: "../../etc/passwd" },
    "an upper-case id": { session: "One" },
    "an empty id": { session: "" },
    "a long id": { session: "a".repeat(65) },
    "an id with a line end": { session: "one\n" },
    "an id that is no text": { session: ["one"] },
    "control characters": { version: "\u001b[2J" },
    "a huge number": { records: 1e308 },
    "a negative number": { blobs: -1 },
    "a fraction": { records: 3.5 },
    "a million records": { records: 1_000_000 },
    "a foreign part": { run: "rm -rf /" },
    "a list of redactions": { redacted: [1] },
    "a redaction of no kind": { redacted: { evil: 1 } },
    "redactions that are not there": { redacted: { jwt: 1 } },
  };
  for (const [name, change] of Object.entries(headers)) {
    test(`a header with ${name}`, async () => {
      const lines = forged(await someLines(), ([header, ...rest]) => [
        Object.assign({}, header, change),
        ...rest,
      ]);
      assert.equal(await lineRefused(lines), 1);
    });
  }

  const records: Record<string, unknown> = {
    "an unknown kind": { kind: "session.exploded", at: 1 },
    "a second start": startRecord(),
    "a number that is none":
      '{"seq":2,"record":{"kind":"session.resumed","at":1e999,"reason":"retry","newShell":false}}',
    "another number's": `{"seq":3,"record":${JSON.stringify(stepRecord("x"))}}`,
    "no record": null,
    "a deep value": `{"seq":2,"record":${JSON.stringify(stepRecord("X")).replace('"X"', "[".repeat(100_000) + "]".repeat(100_000))}}`,
  };
  for (const [name, record] of Object.entries(records)) {
    test(`a record that is ${name}`, async () => {
      const second = typeof record === "string" ? record : { seq: 2, record };
      const lines = forged(await someLines(), (contents) => [
        ...contents.slice(0, 2),
        second,
        ...contents.slice(3),
      ]);
      assert.equal(await lineRefused(lines), 3);
    });
  }

  const digest = digestOf("a file");
  const blobs: Record<string, unknown> = {
    "other bytes": { blob: digest, bytes: 6, data: Buffer.from("b file").toString("base64") },
    "a gigabyte announced": { blob: digest, bytes: 1024 ** 3, data: "YSBmaWxl" },
    "a wrong length": { blob: digest, bytes: 7, data: "YSBmaWxl" },
    "another spelling": { blob: digest, bytes: 6, data: "YSBm\nYWxl" },
    "no digest": { blob: "../x", bytes: 6, data: "YSBmaWxl" },
    "a name in capitals": { blob: digest.toUpperCase(), bytes: 6, data: "YSBmaWxl" },
    "an escape sequence for a reason": { blob: digest, leftOut: "\u001b]0;x\u0007" },
    "both a reason and bytes": { blob: digest, leftOut: "because", bytes: 6, data: "YSBmaWxl" },
  };
  for (const [name, blob] of Object.entries(blobs)) {
    test(`a blob with ${name}`, async () => {
      const lines = forged(await someLines(), (contents) => [...contents.slice(0, 4), blob]);
      assert.equal(await lineRefused(lines), 5);
    });
  }

  test("blobs that come twice or out of order", async () => {
    const own = await someLines("another");
    const swapped = forged(own, (contents) => [...contents.slice(0, 4), contents[5], contents[4]]);
    assert.equal(await lineRefused(swapped), 6);
    const doubled = forged(own, (contents) => [...contents.slice(0, 5), contents[4]]);
    assert.equal(await lineRefused(doubled), 6);
  });

  test("a __proto__ anywhere is refused or dropped", async () => {
    const own = await someLines();
    const inRecord = forged(own, (contents) =>
      contents.map((content, index) =>
        index === 3
          ? JSON.stringify(content).replace('"ok":true', '"ok":true,"__proto__":{"polluted":1}')
          : content,
      ),
    );
    const driver = new MemoryDriver();
    await importBundle(driver, each(inRecord));
    assert.deepEqual(await linesOf(driver, "one"), own);
    const inHeader = forged(own, ([header, ...rest]) => [
      `{"__proto__":{"session":"two"},${JSON.stringify(header).slice(1)}`,
      ...rest,
    ]);
    assert.equal(await lineRefused(inHeader), 1);
    assert.equal(Reflect.get({}, "polluted"), undefined);
  });

  test("a million lines are refused at the first that is too many", async () => {
    const [header = "", ...rest] = await someLines();
    let asked = 0;
    const endless = async function* (): AsyncGenerator<string> {
      yield header;
      for (; asked < 1_000_000; asked += 1) yield rest[asked % rest.length] ?? "";
    };
    await assert.rejects(verifyBundle(endless()), { code: "bundle.invalid" });
    assert.ok(asked < 10);
  });

  test("limits that are handed in hold", async () => {
    const lines = await someLines();
    const bytes = lines.map((line) => Buffer.byteLength(line));
    const total = bytes.reduce((sum, each_) => sum + each_, 0);
    const limited = async (more: object): Promise<number> =>
      lineRefused(lines, { ...bundleLimits, ...more });
    assert.equal(await limited({ records: 2 }), 1);
    assert.equal(await limited({ blobs: 0 }), 1);
    assert.equal(await limited({ blobBytes: 5 }), 5);
    assert.equal(await limited({ bytes: total - 1 }), 6);
    assert.equal(
      await limited({ lineBytes: Math.max(...bytes) - 2 }),
      bytes.indexOf(Math.max(...bytes)) + 1,
    );
    const limits = { ...bundleLimits, bytes: total, records: 3, blobs: 1, blobBytes: 6 };
    assert.equal((await verifyBundle(each(lines), { limits })).records, 3);
  });

  test("a line without an end is given up at the limit, not held", async () => {
    let chunks = 0;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (; chunks < 1000; chunks += 1) yield new Uint8Array(1024).fill(97);
    };
    const limits = { ...bundleLimits, lineBytes: 10_000 };
    await assert.rejects(verifyBundle(bundleLines(endless(), limits), { limits }), {
      code: "bundle.invalid",
    });
    assert.ok(chunks < 20);
  });
});
