import assert from "node:assert/strict";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import type { SkillSource } from "../../src/core/ports.ts";

/** A place where skills can be changed, and a new source for what is there now. */
export interface SkillShelf {
  write(path: string, content: string | Buffer): void;
  link(path: string, target: string): void;
  source(): SkillSource;
}

/** What every source of skills keeps to, whatever it reads from. */
export function skillSourceContract(
  name: string,
  open: (context: TestContext) => SkillShelf,
): void {
  test(`${name}: skills arrive as plain files, without what is not theirs`, async (context) => {
    const shelf = open(context);
    shelf.write("deploy/SKILL.md", "how to deploy\n");
    shelf.write("deploy/more/list.txt", "a\r\nb");
    shelf.write(".gitattributes", "* filter=evil\n");
    const { directory, info } = await shelf.source().resolve();
    assert.deepEqual(
      new Set(readdirSync(directory, { recursive: true, encoding: "utf8" })),
      new Set(["deploy", "deploy/SKILL.md", "deploy/more", "deploy/more/list.txt"]),
    );
    assert.equal(readFileSync(join(directory, "deploy/more/list.txt"), "utf8"), "a\r\nb");
    assert.equal(lstatSync(join(directory, "deploy/SKILL.md")).mode & 0o111, 0);
    assert.match(info.digest, /^[0-9a-f]{64}$/);
  });

  test(`${name}: an edited skill has another digest, and a running session keeps the old one`, async (context) => {
    const shelf = open(context);
    shelf.write("deploy/SKILL.md", "one");
    const before = await shelf.source().resolve();
    const again = await shelf.source().resolve();
    assert.deepEqual(again, before);
    shelf.write("deploy/SKILL.md", "two");
    const after = await shelf.source().resolve();
    assert.notEqual(after.info.digest, before.info.digest);
    assert.equal(readFileSync(join(before.directory, "deploy/SKILL.md"), "utf8"), "one");
    assert.equal(readFileSync(join(after.directory, "deploy/SKILL.md"), "utf8"), "two");
  });

  const hostile: Readonly<Record<string, (shelf: SkillShelf) => void>> = {
    "s/link.md": (shelf) => shelf.link("s/link.md", "/etc/passwd"),
    "s/folder": (shelf) => shelf.link("s/folder", "../../.."),
    "s/image.md": (shelf) => shelf.write("s/image.md", Buffer.from([0x89, 0, 1, 2])),
    "s/latin.md": (shelf) => shelf.write("s/latin.md", Buffer.from([0x66, 0xff, 0x66])),
    "s/huge.md": (shelf) => shelf.write("s/huge.md", "x".repeat(1_000_001)),
    "s/line\nbreak.md": (shelf) => shelf.write("s/line\nbreak.md", "x"),
    "s/a\\..\\x.md": (shelf) => shelf.write("s/a\\..\\x.md", "x"),
    "s/CON.md": (shelf) => shelf.write("s/CON.md", "x"),
    "s/-rf.md": (shelf) => shelf.write("s/-rf.md", "x"),
    "s/\u202egnp.md": (shelf) => shelf.write("s/\u202egnp.md", "x"),
    "s/git~1": (shelf) => shelf.write("s/git~1", "x"),
    "s/x. ": (shelf) => shelf.write("s/x. ", "x"),
  };
  test(`${name}: links, binary files, huge files and deceptive names are refused by name`, async (context) => {
    for (const [path, plant] of Object.entries(hostile)) {
      const shelf = open(context);
      shelf.write("s/SKILL.md", "fine");
      plant(shelf);
      await assert.rejects(
        shelf.source().resolve(),
        (error) => CairnError.is(error, "skills.unsafe") && error.details["path"] === path,
        path,
      );
    }
  });

  test(`${name}: a source that is not there says so`, async (context) => {
    const shelf = open(context);
    await assert.rejects(shelf.source().resolve(), (error) =>
      CairnError.is(error, "skills.unavailable"),
    );
  });
}
