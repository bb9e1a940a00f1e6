import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { after, suite, test } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import { entry, LogPlace } from "./trail.ts";

const places: LogPlace[] = [];
after(() => places.forEach((place) => place.remove()));

function newPlace(): LogPlace {
  const place = new LogPlace();
  places.push(place);
  return place;
}

suite("the audit log", () => {
  test("has an entry on disk when its write resolves, in a file for its owner only", async () => {
    const place = newPlace();
    const trail = place.open();
    await trail.write(entry(1));
    const [file = ""] = place.files;
    assert.match(readFileSync(join(place.directory, file), "utf8"), /"what":"number 1"/);
    assert.equal(statSync(join(place.directory, file)).mode & 0o777, 0o600);
    assert.equal(statSync(place.directory).mode & 0o777, 0o700);
    await trail.close();
  });

  test("keeps entries that are written at once in the order of the calls", async () => {
    const place = newPlace();
    const trail = place.open();
    await Promise.all(Array.from({ length: 200 }, async (_, index) => trail.write(entry(index))));
    await trail.close();
    const kept = await place.open().entries();
    assert.deepEqual(
      kept.map(({ what }) => what),
      Array.from({ length: 200 }, (_, index) => `number ${index}`),
    );
  });

  test("has a file for each writer, and one list of all that is in order though the wall clock jumps", async () => {
    const place = newPlace();
    const [left, right] = [place.open(), place.open()];
    const jumps = [0, -400, 3650, -1, 0, 9999];
    const day = 24 * 60 * 60_000;
    for (const [index, days] of jumps.entries()) {
      place.now += days * day;
      await (index % 2 === 0 ? left : right).write(entry(index));
      await delay(2);
    }
    await Promise.all([left.close(), right.close()]);
    const looked = place.open();
    const kept = await looked.entries();
    assert.deepEqual(
      kept.map(({ what }) => what),
      jumps.map((_, index) => `number ${index}`),
    );
    assert.deepEqual((await looked.verify()).damage, []);
    assert.ok(new Set(kept.map(({ file }) => file)).size >= 2);
  });

  test("never holds what the redactor knows, wherever in an entry it stands", async () => {
    const place = newPlace();
    const trail = place.open();
    const secret = "hunter2";
    await trail.write(
      entry(1, {
        session: secret,
        step: `turn/1/${secret}`,
        what: `echo ${secret} ${"x".repeat(1995)}${secret}`,
        outcome: secret,
        by: { user: secret, surface: "cli" },
      }),
    );
    await trail.close();
    const [file = ""] = place.files;
    assert.doesNotMatch(readFileSync(join(place.directory, file), "utf8"), /hunter2/);
  });

  test("cuts a text that nobody would read to its end", async () => {
    const place = newPlace();
    const trail = place.open();
    await trail.write(entry(1, { what: "x".repeat(1_000_000) }));
    await trail.close();
    const [kept] = await place.open().entries();
    assert.match(kept?.what ?? "", /^x{2000}… \(998000 more characters\)$/);
  });

  test("begins a new file when one is full", async () => {
    const place = newPlace();
    const trail = place.open({ segmentBytes: 2000 });
    for (let number = 1; number <= 20; number += 1) await trail.write(entry(number));
    await trail.close();
    assert.ok(place.files.length > 3);
    const looked = place.open();
    assert.deepEqual((await looked.verify()).damage, []);
    assert.equal((await looked.entries()).length, 20);
  });

  test("refuses an entry that cannot be written, says why, and goes on when it can be", async () => {
    const place = newPlace();
    writeFileSync(place.directory, "in its place");
    const trail = place.open();
    await assert.rejects(trail.write(entry(1)), (error: unknown) => {
      assert.ok(CairnError.is(error, "audit.unwritable"));
      assert.match(
        error.message,
        /^The audit log cannot be written \(E.*\), so nothing was done\./,
      );
      return true;
    });
    rmSync(place.directory);
    await trail.write(entry(2));
    await trail.close();
    const looked = place.open();
    assert.deepEqual(
      (await looked.entries()).map(({ what }) => what),
      ["number 2"],
    );
    assert.deepEqual((await looked.verify()).damage, []);
    await assert.rejects(trail.write(entry(3)), { code: "audit.unwritable" });
  });
});

suite("anchors", () => {
  test("are set at the first entry, every so many, after a pause and at the end", async () => {
    const place = newPlace();
    const trail = place.open({ anchors: place.both, anchorEvery: 10 });
    const anchored = async (): Promise<number> => {
      await delay(50);
      return [...place.secrets.kept.values()][0]?.seq ?? 0;
    };
    await trail.write(entry(1));
    assert.equal(await anchored(), 2);
    for (let number = 2; number <= 12; number += 1) await trail.write(entry(number));
    assert.equal(await anchored(), 12);
    await delay(1100);
    assert.equal(await anchored(), 13);
    await trail.write(entry(13));
    await trail.close();
    assert.equal(await anchored(), 14);
    assert.equal(readdirSync(place.anchors).length, 1);
  });

  test("that cannot be kept stop nothing, and are tried again", async () => {
    const place = newPlace();
    const said: string[] = [];
    writeFileSync(place.anchors, "in its place");
    const trail = place.open({ log: (line) => void said.push(line) });
    await trail.write(entry(1));
    await trail.write(entry(2));
    await trail.close();
    assert.match(said.join("\n"), /not anchored/);
    assert.deepEqual((await place.open().entries()).length, 2);
  });

  test("of a writer that was killed are brought up to date by the next look", async () => {
    const place = newPlace();
    const trail = place.open({ anchors: place.both, anchorEvery: 1000 });
    for (let number = 1; number <= 5; number += 1) await trail.write(entry(number));
    await place.open({ anchors: place.both }).verify();
    const [file = ""] = place.files;
    place.put(file, place.lines(file).slice(0, 4));
    const { damage } = await place.open({ anchors: place.both }).verify();
    assert.match(damage[0]?.reason ?? "", /had 6 entries, and 4 are left/);
  });
});

suite("a crash", () => {
  test("that left half a line is told from a cut, and the log goes on in a new file", async () => {
    const place = newPlace();
    const trail = place.open({ anchorEvery: 1000 });
    for (let number = 1; number <= 3; number += 1) await trail.write(entry(number));
    const [file = ""] = place.files;
    const half = place.lines(file)[3]?.slice(0, 50) ?? "";
    place.putText(file, `${place.lines(file).slice(0, 3).join("\n")}\n${half}`);
    await place.written(1);
    const { damage, remarks, entries } = await place.open().verify();
    assert.deepEqual(damage, []);
    assert.deepEqual(
      remarks.map(({ file: name, line, reason }) => [name, line, reason.slice(0, 17)]),
      [[file, 4, "was not finished:"]],
    );
    assert.equal(entries, 3);
  });

  test("in the middle of an effect is said as an interruption, a second try that ends is not", async () => {
    const place = newPlace();
    const began = (step: string, operation: string) =>
      entry(1, { kind: "began", step, operation, what: `exec: ${step}` });
    const trail = place.open();
    await trail.write(began("again", "op1"));
    await trail.write(began("lost", "op2"));
    await trail.write(began("again", "op1"));
    await trail.write(entry(1, { kind: "ended", step: "again", operation: "op1" }));
    await trail.close();
    const { damage, remarks } = await place.open().verify();
    assert.deepEqual(damage, []);
    assert.deepEqual(
      remarks.map(({ line, reason }) => `${line} ${reason}`),
      ["3 is of an effect without an end, so it was interrupted: lost of session s, exec: lost"],
    );
  });

  test("is not said of a writer that lives: its effects are under way", async () => {
    const place = newPlace();
    const trail = place.open();
    await trail.write(entry(1, { kind: "began", operation: "op" }));
    assert.deepEqual((await place.open({ isGone: () => false }).verify()).remarks, []);
    await trail.close();
  });
});

suite("retention", () => {
  const day = 24 * 60 * 60_000;

  test("removes whole files by age, says so in the log, and the log stays sound", async () => {
    const place = newPlace();
    const both = { anchors: place.both };
    const old = await place.written(3, both);
    place.now += 400 * day;
    const young = await place.written(2, both);
    const trail = place.open(both);
    assert.equal(await trail.prune(place.now - 365 * day), 1);
    await trail.close();
    assert.ok(!place.files.includes(old) && place.files.includes(young));
    const looked = place.open(both);
    assert.deepEqual((await looked.verify()).damage, []);
    const removed = (await looked.entries()).find(({ kind }) => kind === "removed");
    assert.equal(removed?.what, `Removed by age: ${old} (3 entries)`);
    assert.deepEqual([...place.secrets.kept.keys()].includes(old), false);
  });

  test("leaves an anchor in another editor's keeping in peace", async () => {
    const place = newPlace();
    await place.written(3, { anchors: place.both });
    place.now += 400 * day;
    const trail = place.open();
    await trail.prune(place.now - 365 * day);
    await trail.close();
    assert.deepEqual((await place.open({ anchors: place.both }).verify()).damage, []);
  });

  test("keeps what is young, what is damaged and what a living writer has", async () => {
    const place = newPlace();
    const damaged = await place.written(3);
    place.put(damaged, place.lines(damaged).toSpliced(2, 1));
    await place.written(3);
    const before = place.now + 400 * day;
    const trail = place.open({ isGone: () => false });
    assert.equal(await trail.prune(before), 0, "living writers");
    assert.equal(await place.open().prune(place.now - day), 0, "young");
    const last = place.open();
    assert.equal(await last.prune(before), 1);
    await last.close();
    assert.ok(place.files.includes(damaged));
  });
});
