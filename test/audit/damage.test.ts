import assert from "node:assert/strict";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { LogPlace } from "./trail.ts";

const places: LogPlace[] = [];
after(() => places.forEach((place) => place.remove()));

function newPlace(): LogPlace {
  const place = new LogPlace();
  places.push(place);
  return place;
}

interface Found {
  readonly damage: readonly string[];
  readonly remarks: readonly string[];
}

/** What is said of a log of six entries (seven lines) after somebody was at it. */
async function after6(
  deed: (place: LogPlace, file: string) => void,
): Promise<Found & { file: string }> {
  const place = newPlace();
  const file = await place.written(6);
  deed(place, file);
  return { ...(await found(place)), file };
}

async function found(place: LogPlace): Promise<Found> {
  const { damage, remarks } = await place.open().verify();
  const said = damage.map(({ line, reason }) => `${line}: ${reason}`);
  return { damage: said, remarks: remarks.map(({ line, reason }) => `${line}: ${reason}`) };
}

suite("an audit log that nobody touched", () => {
  test("is sound, and says how much it holds", async () => {
    const place = newPlace();
    await place.written(6);
    await place.written(2);
    const report = await place.open().verify();
    assert.deepEqual(
      { ...report, directory: "" },
      { directory: "", files: 2, entries: 8, damage: [], remarks: [] },
    );
  });

  test("that does not exist yet is sound, and looking makes nothing", async () => {
    const place = newPlace();
    assert.deepEqual(await found(place), { damage: [], remarks: [] });
    assert.deepEqual(place.files, []);
  });
});

suite("every way to falsify the file is found, and named by its line", () => {
  test("an entry that was edited", async () => {
    const { damage } = await after6((place, file) => {
      const lines = place.lines(file);
      place.put(
        file,
        lines.map((line) => line.replace("number 3", "number 9")),
      );
    });
    assert.deepEqual(damage, [
      "4: was changed, or was not written by Cairn here: it does not bear the log's signature",
    ]);
  });

  test("the last entry, edited", async () => {
    const { damage } = await after6((place, file) => {
      place.put(
        file,
        place.lines(file).map((line) => line.replace("number 6", "number 9")),
      );
    });
    assert.deepEqual(
      damage.map((sentence) => sentence.slice(0, 14)),
      ["7: was changed"],
    );
  });

  test("an entry that was deleted", async () => {
    const { damage } = await after6((place, file) =>
      place.put(file, place.lines(file).toSpliced(3, 1)),
    );
    assert.deepEqual(damage, [
      "4: holds entry 5 where entry 4 belongs: entries are missing before it, or lines changed places",
    ]);
  });

  test("two entries that changed places", async () => {
    const { damage } = await after6((place, file) => {
      const lines = place.lines(file);
      const [third = "", fourth = ""] = lines.slice(2);
      place.put(file, lines.toSpliced(2, 2, fourth, third));
    });
    assert.deepEqual(
      damage.map((sentence) => sentence.split(":")[0]),
      ["3", "4"],
    );
  });

  test("an entry that was put in once more, in the middle and at the end", async () => {
    for (const place of [4, 7]) {
      const { damage } = await after6((log, file) => {
        const lines = log.lines(file);
        log.put(file, lines.toSpliced(place, 0, lines[2] ?? ""));
      });
      assert.deepEqual(damage, [
        `${place + 1}: holds entry 3 where entry ${place + 1} belongs: it was copied here, or lines changed places`,
      ]);
    }
  });

  test("an end that was cut off", async () => {
    const { damage } = await after6((place, file) =>
      place.put(file, place.lines(file).slice(0, 5)),
    );
    assert.deepEqual(damage, [
      "6: is gone, with all behind it: the file had 7 entries, and 5 are left",
    ]);
  });

  test("a file that was emptied", async () => {
    const { damage } = await after6((place, file) => place.putText(file, ""));
    assert.deepEqual(damage, ["null: is empty, and had 7 entries"]);
  });

  test("a last line that was cut in the middle after it was on disk", async () => {
    const { damage, remarks } = await after6((place, file) => {
      const text = place.lines(file).join("\n");
      place.putText(file, text.slice(0, -40));
    });
    assert.deepEqual(damage, ["7: is cut in the middle: the file had 7 entries, and 6 are left"]);
    assert.deepEqual(remarks, []);
  });

  test("a file that was removed", async () => {
    const { damage, file } = await after6((place, name) => rmSync(join(place.directory, name)));
    assert.match(damage.join("\n"), /^null: is gone, and had 7 entries/);
    assert.match(file, /\.jsonl$/);
  });

  test("a file that was put in from elsewhere, copied under another name, or a link", async () => {
    const place = newPlace();
    const file = await place.written(2);
    const other = file.replace(/^\d{14}/, "20300101000000");
    place.put(other, place.lines(file));
    symlinkSync("/etc/passwd", join(place.directory, "20300101000000-1-aaaaaaaaaaaa.jsonl"));
    place.putText("notes.txt", "mine\n");
    const { damage } = await place.open().verify();
    assert.deepEqual(
      damage
        .map(({ file: name, reason }) => `${name.slice(-18)} ${reason.slice(0, 22)}`)
        .toSorted(),
      [
        `${other.slice(-18)} was changed, or was no`,
        "aaaaaaaaaaaa.jsonl cannot be read: ELOOP:",
        "notes.txt is no file of the log,",
      ].toSorted(),
    );
  });

  test("entries that were written with another key", async () => {
    const place = newPlace();
    await place.written(3, { key: new Uint8Array(32) });
    const { damage } = await found(place);
    assert.deepEqual(
      damage.map((sentence) => sentence.slice(0, 14)),
      ["null: has an a", "1: was changed"],
    );
  });
});

suite("anchors", () => {
  test("in another place find a cut that was hidden from the first", async () => {
    const place = newPlace();
    const { secrets } = place;
    const file = await place.written(6, { anchors: place.both });
    place.put(file, place.lines(file).slice(0, 3));
    rmSync(place.anchors, { recursive: true });
    assert.deepEqual((await found(place)).damage, [], "without the other place nothing is found");
    const { damage } = await place.open({ anchors: [secrets] }).verify();
    assert.deepEqual(
      damage.map(({ line, reason }) => `${line}: ${reason}`),
      ["4: is gone, with all behind it: the file had 7 entries, and 3 are left"],
    );
  });
});
