import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import type { Action } from "../../src/core/action.ts";
import { namedProfile } from "../../src/core/profile.ts";
import type { Verdict } from "../../src/core/profileRecord.ts";
import type { Rule } from "../../src/core/rule.ts";
import { RuleBook } from "../../src/rules/ruleBook.ts";
import { MemoryAudit } from "../fakes/memoryAudit.ts";
import { anyPlace } from "../contracts/records.ts";

const place = mkdtempSync(join(tmpdir(), "cairn-rules-"));
after(() => rmSync(place, { recursive: true, force: true }));
let desks = 0;

const allow = (words: string, id = words.replaceAll(/\W/g, "-")): Rule => ({
  id,
  decision: "allow",
  tool: "exec",
  command: { words: words.split(" "), more: true },
});

const by = { user: "dev", surface: "cli" } as const;

/** A state directory and a folder, and books over them as several processes have them. */
class Desk {
  readonly root: string;
  readonly workspace: string;
  readonly managed: string;
  readonly told: string[] = [];
  readonly key: Uint8Array = new Uint8Array(32).fill(7);

  readonly audit = new MemoryAudit();

  constructor() {
    desks += 1;
    const here = join(place, `${desks}`);
    this.root = join(here, "state");
    this.workspace = join(here, "folder");
    this.managed = join(here, "managed.json");
    mkdirSync(this.root, { recursive: true, mode: 0o700 });
    mkdirSync(this.workspace);
  }

  get rules(): string {
    return join(this.root, "rules.json");
  }

  get folderRules(): string {
    return join(this.workspace, "cairn.rules.json");
  }

  book(key = this.key): RuleBook {
    const { root, workspace, managed } = this;
    return new RuleBook({
      root,
      workspace,
      managed,
      key,
      audit: this.audit,
      tell: (line) => this.told.push(line),
    });
  }

  write(rules: readonly object[], path = this.rules): void {
    writeFileSync(path, JSON.stringify({ rules }), { mode: 0o600 });
  }
}

async function verdict(book: RuleBook, program = "npm", profile = "strict"): Promise<Verdict> {
  const argv = [program, "test"];
  const action: Action = {
    session: "s",
    tool: "exec",
    risk: "R1",
    args: "a",
    command: [{ argv, run: argv, join: null, effect: "unknown" }],
    paths: [],
    place: anyPlace,
  };
  return (await book.permissions(namedProfile(profile)).decide(action)).verdict;
}

suite("the rule files", () => {
  test("a rule counts from the moment that it is written, and no longer than it is there", async () => {
    const desk = new Desk();
    const book = desk.book();
    assert.equal(await verdict(book), "ask");
    desk.write([allow("npm test")]);
    assert.equal(await verdict(book), "allow");
    desk.write([allow("npm test"), { id: "n", decision: "deny", tool: "exec" }]);
    assert.equal(await verdict(book), "deny");
    rmSync(desk.rules);
    assert.equal(await verdict(book), "ask");
  });

  test("a file that is broken is refused as a whole with its line, and the rules before it stay", async () => {
    const good = JSON.stringify(allow("npm test"));
    for (const [text, says] of [
      [`{\n  "rules": [\n    ${good},\n  ]\n}`, /line 4, column 3: this is not JSON/],
      [
        `{\n  "rules": [\n    ${good},\n    {"id": "x", "decision": "allow", "tool": "*", "priority": 1}\n  ]\n}`,
        /line 4, column 51: .*priority/,
      ],
      [
        `{\n  "rules": [\n    ${good},\n    ${good}\n  ]\n}`,
        /line 4, column 11: the id "npm-test" is there already/,
      ],
      [
        `{\n  "rules": [\n    {"id": "x", "tool": "*",\n     "decision": "allow", "decision": "deny"}\n  ]\n}`,
        /line 4, column 27: "decision" is there twice/,
      ],
      [`{\n  "rules": [\n    {"id": "x", "tool": "*"}\n  ]\n}`, /line 3, column 5: decision/],
      ["", /line 1, column 1/],
      ["[]", /line 1, column 1/],
    ] as const) {
      const desk = new Desk();
      const book = desk.book();
      desk.write([allow("make test")]);
      assert.equal(await verdict(book, "make"), "allow");
      writeFileSync(desk.rules, text);
      assert.equal(await verdict(book, "make"), "allow", "the rules before stay");
      assert.equal(await verdict(book, "npm"), "ask", "nothing of the broken file counts");
      assert.equal(desk.told.length, 1);
      assert.match(desk.told[0] ?? "", says);
      const fresh = desk.book();
      assert.equal(await verdict(fresh, "npm", "default"), "ask", "never read: nothing is allowed");
    }
  });

  test("comments are read over", async () => {
    const desk = new Desk();
    const rule = JSON.stringify(allow("npm test"));
    writeFileSync(desk.rules, `{ // mine\n "rules": [ /* one */ ${rule} ] }`);
    assert.equal(await verdict(desk.book()), "allow");
  });

  test("a file that others can write, that is another user's, or a link, is ignored and said", async () => {
    const attempts: readonly (readonly [string, (desk: Desk) => void, RegExp])[] = [
      ["group", ({ rules }) => chmodSync(rules, 0o620), /can be written by others/],
      ["world", ({ rules }) => chmodSync(rules, 0o666), /can be written by others/],
      [
        "link",
        ({ rules, workspace, ...desk }) => {
          rmSync(rules);
          writeFileSync(
            join(workspace, "bait.json"),
            JSON.stringify({ rules: [allow("npm test")] }),
          );
          symlinkSync(join(workspace, "bait.json"), join(desk.root, "rules.json"));
        },
        /is a link/,
      ],
      ...(process.getuid?.() === 0
        ? [["foreign", (desk: Desk) => chownSync(desk.rules, 1234, 1234), /another user/] as const]
        : []),
    ];
    for (const [name, spoil, says] of attempts) {
      const desk = new Desk();
      desk.write([allow("npm test")]);
      spoil(desk);
      assert.equal(await verdict(desk.book()), "ask", name);
      assert.match(desk.told.join("\n"), says);
    }
  });

  test("a folder can deny and ask, what it allows is ignored, and that is said once", async () => {
    const desk = new Desk();
    const book = desk.book();
    desk.write(
      [
        allow("npm test", "sneaky"),
        { id: "d", decision: "deny", tool: "exec", command: { words: ["git"], more: true } },
        { id: "a", decision: "ask", tool: "exec", command: { words: ["make"], more: true } },
      ],
      desk.folderRules,
    );
    assert.deepEqual(
      [
        await verdict(book),
        await verdict(book, "git", "default"),
        await verdict(book, "make", "default"),
      ],
      ["ask", "deny", "ask"],
    );
    await verdict(book);
    assert.deepEqual(desk.told.length, 1);
    assert.match(desk.told[0] ?? "", /tries to allow something \(sneaky\).*ignored/);
  });

  test("a folder's rules under other names are not read", async () => {
    const desk = new Desk();
    mkdirSync(join(desk.workspace, ".cairn"));
    desk.write([allow("npm test")], join(desk.workspace, ".cairn", "rules.json"));
    assert.equal(await verdict(desk.book()), "ask");
    assert.match(desk.told[0] ?? "", /is not read: a folder's rules lie in cairn\.rules\.json/);
  });

  test("an administrator's rules count if they are root's, and go before the user's", async () => {
    const desk = new Desk();
    desk.write([allow("npm test")]);
    desk.write([{ id: "m", decision: "deny", tool: "exec" }], desk.managed);
    if (process.getuid?.() === 0) {
      assert.equal(await verdict(desk.book()), "deny");
      chownSync(desk.managed, 1234, 1234);
    }
    assert.equal(await verdict(desk.book()), "allow");
    assert.match(desk.told.join("\n"), /managed\.json does not belong to root/);
  });

  test("a rule is added to the user's own file with its comments kept, and removed by its id", async () => {
    const desk = new Desk();
    const book = desk.book();
    await book.add(allow("npm test"), by);
    assert.equal(statSync(desk.rules).mode & 0o777, 0o600);
    assert.equal(await verdict(book), "allow");
    writeFileSync(desk.rules, readFileSync(desk.rules, "utf8").replace("{", "{ // mine"));
    await book.add(allow("make test"), by);
    assert.match(readFileSync(desk.rules, "utf8"), /\/\/ mine/);
    await assert.rejects(book.add(allow("make test"), by), { code: "rules.invalid" });
    await book.remove("npm-test", by);
    assert.deepEqual([await verdict(book), await verdict(book, "make")], ["ask", "allow"]);
    await assert.rejects(book.remove("nothing", by), { code: "rules.invalid" });
    assert.deepEqual(
      desk.audit.entries.map(({ kind, what, by: who }) => [kind, what, who?.user]),
      [
        ["rule", "added npm-test: Allows commands that begin with npm test.", "dev"],
        ["rule", "added make-test: Allows commands that begin with make test.", "dev"],
        ["rule", "removed npm-test", "dev"],
      ],
    );
  });

  test("a change of rules that cannot be audited is not made", async () => {
    const desk = new Desk();
    const book = desk.book();
    await book.grant([allow("git test")], by, "s");
    desk.audit.failsAt = ({ kind }) => kind === "rule";
    await assert.rejects(book.add(allow("npm test"), by), { code: "audit.unwritable" });
    await assert.rejects(book.grant([allow("npm test")], by, "s"), { code: "audit.unwritable" });
    await assert.rejects(book.revokeAll(by), { code: "audit.unwritable" });
    assert.deepEqual([await verdict(book), await verdict(book, "git")], ["ask", "allow"]);
  });
});

suite("grants", () => {
  test("what was granted counts in every process at once, and is readable by its owner only", async () => {
    const desk = new Desk();
    const [one, other] = [desk.book(), desk.book()];
    assert.equal(await verdict(other), "ask");
    await one.grant([allow("npm test")], by, "s");
    assert.deepEqual([await verdict(one), await verdict(other)], ["allow", "allow"]);
    assert.equal(statSync(join(desk.root, "grants.json")).mode & 0o777, 0o600);
  });

  test("a grant that was changed, or signed with another key, allows nothing, and that is said", async () => {
    const desk = new Desk();
    await desk.book().grant([allow("npm test")], by, "s");
    assert.equal(await verdict(desk.book(new Uint8Array(32).fill(8))), "ask");
    const path = join(desk.root, "grants.json");
    writeFileSync(path, readFileSync(path, "utf8").replace('"npm"', '"git"'));
    assert.deepEqual(
      [await verdict(desk.book()), await verdict(desk.book(), "git")],
      ["ask", "ask"],
    );
    assert.match(desk.told.at(-1) ?? "", /was not written by Cairn/);
  });

  test("revoking takes all back in every process, and an older copy of the file stays worthless", async () => {
    const desk = new Desk();
    const [one, other] = [desk.book(), desk.book()];
    await one.grant([allow("npm test"), allow("make test")], by, "s");
    const path = join(desk.root, "grants.json");
    const older = readFileSync(path, "utf8");
    assert.equal(await verdict(other), "allow");
    assert.equal(await one.revokeAll(by), 2);
    assert.equal(await verdict(other), "ask");
    writeFileSync(path, older);
    assert.equal(await verdict(other), "ask");
    await one.grant([allow("git test")], by, "s");
    assert.deepEqual([await verdict(other), await verdict(other, "git")], ["ask", "allow"]);
  });

  test("grants of several processes at the same time are all kept", async () => {
    const desk = new Desk();
    const names = Array.from({ length: 12 }, (_, index) => `p${index}`);
    await Promise.all(
      names.map(async (name) => desk.book().grant([allow(`${name} test`)], by, "s")),
    );
    const verdicts = await Promise.all(names.map(async (name) => verdict(desk.book(), name)));
    assert.deepEqual(new Set(verdicts), new Set(["allow"]));
  });
});
