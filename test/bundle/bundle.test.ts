import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import type { JsonValue, RecordBody } from "../../src/core/records.ts";
import { exportBundle, importBundle, verifyBundle } from "../../src/bundle/bundle.ts";
import { bundleLines } from "../../src/bundle/bundleLines.ts";
import { startRecord, stepRecord } from "../contracts/records.ts";
import { MemoryDriver } from "../fakes/memoryDriver.ts";
import {
  all,
  digestOf,
  driverWith,
  each,
  github,
  lineRefused,
  linesOf,
  made,
  plain,
  redactionOf,
  someLines,
} from "./bundles.ts";
import { jwt, random } from "../redaction/secretSamples.ts";

type Content = Record<string, unknown>;

async function* notText(): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(0x7b, 0xff, 0xfe, 10);
}

suite("a session goes through a bundle to another machine", () => {
  test("records and blobs are the same there, and can only be read", async () => {
    const driver = await driverWith(plain, ["a file", new Uint8Array([0, 255, 128]), ""]);
    const lines = await linesOf(driver, "one");
    const there = new MemoryDriver();
    const summary = { session: "one", records: 3, blobs: 3, leftOut: 0 };
    assert.deepEqual(await verifyBundle(each(lines)), summary);
    assert.deepEqual(await importBundle(there, each(lines)), summary);
    assert.deepEqual(await there.read("one"), await driver.read("one"));
    assert.deepEqual(await there.blobsOf("one"), await driver.blobsOf("one"));
    assert.deepEqual(
      await there.getBlob(digestOf("a file")),
      new Uint8Array(Buffer.from("a file")),
    );
    await assert.rejects(there.claim("one"), { code: "session.readOnly" });
  });

  test("its bundle from there is the same, byte for byte", async () => {
    const secret = `token ${github} here`;
    const blobs = ["a file", secret, `password=${random(8)}`, "z"];
    const driver = await driverWith([...plain, stepRecord(secret)], blobs);
    const lines = await linesOf(driver, "one");
    const there = new MemoryDriver();
    const { leftOut } = await importBundle(there, each(lines));
    assert.equal(leftOut, 2);
    assert.deepEqual(await linesOf(there, "one"), lines);
    const further = new MemoryDriver();
    await importBundle(further, each(await linesOf(there, "one")));
    assert.deepEqual(await linesOf(further, "one"), lines);
  });

  test("a file gives the same lines, however it is cut into pieces", async () => {
    const lines = await linesOf(await driverWith([...plain, stepRecord("äöü€😀\u2028")]), "one");
    const file = Buffer.from(lines.join(""));
    for (const size of [1, 2, 3, 7, 64, file.length]) {
      const chunks = async function* (): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < file.length; at += size) yield file.subarray(at, at + size);
      };
      const read = await all(bundleLines(chunks()));
      assert.deepEqual(
        read.map((line) => `${line}\n`),
        lines,
      );
    }
  });

  test("a record with a __proto__ in it changes nothing but itself", async () => {
    const output: JsonValue = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}');
    const lines = await linesOf(await driverWith([...plain, stepRecord(output)]), "one");
    const there = new MemoryDriver();
    await importBundle(there, each(lines));
    assert.equal(Reflect.get({}, "polluted"), undefined);
    assert.deepEqual(await linesOf(there, "one"), lines);
  });

  const json = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.string({ unit: "binary" }),
      fc.constantFrom(null, false, -0, 1e300, github, `password=${random(8)}`, jwt),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie("value"), { maxKeys: 3 }),
    ),
  })).value;
  const blob = fc.oneof(fc.uint8Array(), fc.constantFrom(`x ${github}`, "one", "two"));

  test("export, import, export: the same bytes, for any records and blobs", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(json, { maxLength: 4 }), fc.array(blob), async (outputs, blobs) => {
        const records = [startRecord(), ...outputs.map((output) => stepRecord(output))];
        const lines = await linesOf(await driverWith(records, blobs), "one");
        const there = new MemoryDriver();
        await importBundle(there, each(lines));
        assert.deepEqual(await linesOf(there, "one"), lines);
        assert.doesNotMatch(lines.join(""), new RegExp(`${github}|${jwt}`));
      }),
      { numRuns: 200 },
    );
  });
});

suite("what is secret stays at home", () => {
  test("records are redacted, their digests stay, and the header says how many of what", async () => {
    const key = digestOf("1234567");
    const record = stepRecord(
      { text: `got ${github} and my-own-password`, tree: key, token: jwt },
      { key },
    );
    const driver = await driverWith([startRecord(`use ${github}`), record]);
    const known = ["my-own-password", key.slice(10, 20)];
    const [header = "", first = "", second = ""] = await linesOf(driver, "one", { known });
    assert.deepEqual(JSON.parse(header).redacted, { "github token": 2, jwt: 1, "known secret": 1 });
    assert.match(first, /"goal":"use \[redacted: github token\]"/);
    const read: { record: RecordBody } = JSON.parse(second);
    assert.deepEqual(read.record, {
      ...record,
      output: {
        text: "got [redacted: github token] and [redacted: known secret]",
        tree: key,
        token: "[redacted: jwt]",
      },
    });
  });

  test("a blob with a secret in its text is left out, says why, and keeps its place", async () => {
    const encoded = Buffer.from(`key = ${github}`, "utf16le");
    const blobs = [
      `API_KEY=${random(20)}\n`,
      Buffer.concat([Buffer.from([0, 1, 2, 255]), Buffer.from(github)]),
      Buffer.concat([Buffer.from([0xff, 0xfe]), encoded]),
      "harmless",
    ];
    const lines = await linesOf(await driverWith(plain, blobs), "one");
    const found = lines.slice(4, -1).map((line): Content => JSON.parse(line));
    assert.deepEqual(
      found.map(({ blob }) => blob),
      blobs.map((each_) => createHash("sha256").update(each_).digest("hex")).toSorted(),
    );
    assert.deepEqual(found.map(({ leftOut }) => JSON.stringify(leftOut ?? "there")).toSorted(), [
      '"its text holds a secret: api key"',
      '"its text holds a secret: github token"',
      '"its text holds a secret: github token"',
      '"there"',
    ]);
    assert.doesNotMatch(
      lines.join(""),
      new RegExp(Buffer.from(github).toString("base64").slice(4, 40)),
    );
  });

  test("a file that looks like a note on what was left out is exported like any other", async () => {
    const reasons = [[digestOf("x"), "because"]];
    const note = { title: "blobs that a Cairn bundle left out", session: "one", reasons };
    const lines = await linesOf(await driverWith(plain, [JSON.stringify(note)]), "one");
    assert.deepEqual(await verifyBundle(each(lines)), {
      session: "one",
      records: 3,
      blobs: 1,
      leftOut: 0,
    });
  });

  test("a known secret that is a word of the records themselves is named as the cause", async () => {
    const driver = await driverWith(plain);
    const options = { ...made, redaction: redactionOf(["embedded"]) };
    await assert.rejects(all(exportBundle(driver, "one", options)), {
      code: "usage.invalid",
    });
  });
});

suite("a bundle that is not as it was written is refused, and the line is named", () => {
  test("any flipped bit of any byte", async () => {
    const lines = await someLines(github, "another");
    for (const [index, line] of lines.entries()) {
      const bytes = Buffer.from(line.slice(0, -1));
      for (let at = 0; at < bytes.length; at += 1) {
        const flipped = Buffer.from(bytes);
        flipped.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 7)), at);
        const changed = lines.with(index, `${flipped.toString("latin1")}\n`);
        assert.equal(await lineRefused(changed), index + 1);
      }
    }
  });

  test("any line cut off, cut out, doubled, swapped or added", async () => {
    const lines = await someLines(github, "another");
    const count = lines.length;
    for (let at = 0; at < count; at += 1) {
      const line = lines[at] ?? "";
      assert.equal(await lineRefused(lines.slice(0, at)), at + 1, "the file ends here");
      assert.equal(await lineRefused(lines.with(at, line.slice(0, line.length / 2))), at + 1);
      assert.equal(await lineRefused(lines.toSpliced(at, 1)), at + 1, "without it");
      assert.equal(await lineRefused(lines.toSpliced(at, 0, line)), at + 2, "twice");
      assert.equal(await lineRefused(lines.toSpliced(at, 0, "{}\n")), at + 1);
      const next = lines[at + 1];
      if (next !== undefined) {
        assert.equal(await lineRefused(lines.with(at, next).with(at + 1, line)), at + 1);
      }
    }
    assert.equal(await lineRefused([...lines, "\n"]), count + 1);
    assert.equal(await lineRefused([]), 1);
  });

  test("a taken id is refused, and what is there stays", async () => {
    const lines = await someLines();
    const driver = await driverWith([startRecord("mine")]);
    const before = await driver.read("one");
    await assert.rejects(importBundle(driver, each(lines)), { code: "usage.invalid" });
    assert.deepEqual(await driver.read("one"), before);
    assert.deepEqual(await driver.blobsOf("one"), []);
  });

  test("a newer format asks for a newer Cairn", async () => {
    const newer = ['{"cairnBundle":2,"anything":true}\n', "something else\n"];
    await assert.rejects(verifyBundle(each(newer)), {
      code: "bundle.invalid",
      message: /format 2.*Update Cairn/,
    });
  });

  test("a file that is no bundle is told so", async () => {
    for (const file of ["", "{}", "null", "[]", "<html>", "\0\0", '{"cairnBundle":"1"}']) {
      assert.equal(await lineRefused([file, file]), 1);
    }
    await assert.rejects(verifyBundle(bundleLines(notText())), {
      code: "bundle.invalid",
      message: /^Line 1 .* is not UTF-8/,
    });
  });
});
