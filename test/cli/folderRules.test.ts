import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import type { RecordBody } from "../../src/core/records.ts";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";

const cairn = new Cairn();
after(() => cairn.remove());

const name = "cairn.rules.json";
const deny = (word: string) => ({
  id: `no-${word}`,
  decision: "deny",
  tool: "exec",
  command: { words: [word], more: true },
});
const file = (...rules: readonly object[]): string => `${JSON.stringify({ rules }, null, 2)}\n`;
const noCurl = file(deny("curl"));
const noMake = file(deny("make"));

/** A session whose model runs `make all` and then writes these files, in a folder that denies curl. */
async function desk(files: Readonly<Record<string, string>>, options: readonly string[] = []) {
  const writes = Object.entries(files).map(([path, content], at) => ({
    id: `write_${at}`,
    tool: "write_file",
    args: { path, content },
  }));
  const opened = await Desk.open(
    cairn,
    [
      { text: "", calls: [{ id: "make", tool: "exec", args: { command: "make all" } }] },
      { text: "", calls: writes },
      { text: "Done." },
    ],
    { "a.txt": "a\n", [name]: noCurl },
  );
  const ran = await opened.start(["--goal", "Go.", ...options]);
  const path = join(opened.workspace, name);
  const answer = async (wait: string, value: string) =>
    opened.do(["answer", (await opened.session()).session, wait, value]);
  return { desk: opened, ran, path, answer, now: () => readFileSync(path, "utf8") };
}

const card = "apply/proposed/protected/1";

type RuleCard = Extract<Extract<RecordBody, { kind: "wait.opened" }>["subject"], { kind: "rule" }>;

/** The newest card about rules. */
async function cardOf(opened: Desk): Promise<RuleCard> {
  const found = (await opened.records()).flatMap((record) =>
    record.kind === "wait.opened" && record.subject.kind === "rule" ? [record.subject] : [],
  );
  const last = found.at(-1);
  assert.ok(last, "there is a card about rules");
  return last;
}

suite("a session that would change the rules of its folder", () => {
  test("asks with what would be denied and what not any more; a yes holds from the next decision on, and can be taken back", async () => {
    const here = await desk({ [name]: noMake, "a.txt": "b\n" });
    assert.equal(here.ran.code, 3, here.ran.stderr);
    assert.doesNotMatch(here.ran.stdout, /denied/, "make is not denied yet");
    const about = [
      `waiting at ${card}: Change the rules of this folder?`,
      "This loosens: 1 rule would no longer hold agents back in this folder as before.",
      "No longer denies commands that begin with curl.",
      "Denies commands that begin with make.",
      "for: this folder, for everybody who works in it",
      `proposed by: a change that the session made to ${name}`,
      `modified ${name}`,
      "protected: it holds what agents may not do in this folder",
    ];
    assert.ok(here.ran.stdout.includes(about.join("\n      ")), here.ran.stdout);
    assert.match(here.ran.stdout, /- +"curl"\n +\+ +"make"/);
    const { change, base, tree } = await cardOf(here.desk);
    assert.equal(change?.path, name);
    assert.ok(base !== undefined && tree !== undefined && base !== tree, "bound to the trees");

    await here.answer("apply/proposed/approval", "approve");
    assert.equal(here.now(), noCurl, "the other files' yes is none for the rules");
    const yes = await here.answer(card, "approve");
    assert.equal(yes.code, 0, yes.stderr);
    assert.equal(here.now(), noMake);
    const audit = await here.desk.do(["audit"]);
    assert.match(audit.stdout, /Change the rules of this folder\?.*approved/);

    const session = await here.desk.session();
    const asked = await here.desk.do(["undo", session.session]);
    assert.equal(asked.code, 3, asked.stderr);
    assert.match(asked.stdout, /Take back 1 change in your folder\?/);
    assert.match(asked.stdout, /undo\/1\/rules: Take back a change of the rules of this folder\?/);
    assert.match(asked.stdout, /No longer denies commands that begin with make\./);
    await here.answer("undo/1/approval", "approve");
    const kept = await here.answer("undo/1/rules", "reject: keep it");
    assert.match(kept.stdout, /Took back 1 file in your folder\. 1 file left as it was\./);
    assert.match(kept.stdout, /left alone: cairn\.rules\.json \(Protected, .*did not approve it/);
    assert.equal(here.now(), noMake);

    const next = await here.desk.start(["--goal", "Again."]);
    assert.match(
      next.stdout,
      /A rule of this folder: Denies commands that begin with make\. Nothing ran\./,
    );
  });

  test("is told no, and the file stays; no wider yes is offered or taken", async () => {
    const here = await desk({ [name]: file() });
    assert.deepEqual((await here.desk.session()).waits, [{ wait: card, suggested: "approve" }]);
    assert.doesNotMatch(here.ran.stderr, /"approve: (session|always)"/);
    assert.match((await here.answer(card, "edit: {}")).stderr, /is no answer to/);
    const no = await here.answer(card, "reject: they stay");
    assert.equal(no.code, 0, no.stderr);
    assert.equal(here.now(), noCurl);
    assert.ok(!existsSync(join(cairn.home, "grants.json")));
  });

  test("writes nothing over rules that you changed, before the card or behind it", async () => {
    const here = await desk({ [name]: noMake });
    const mine = file(deny("wget"));
    writeFileSync(here.path, mine);
    const late = await here.answer(card, "approve");
    assert.match(late.stdout, /cairn\.rules\.json in your folder is not what it was when/);
    assert.equal(here.now(), mine);
    const again = await here.desk.do(["apply", (await here.desk.session()).session]);
    assert.equal(here.now(), mine, again.stdout);
    assert.doesNotMatch(again.stdout, /Change the rules of this folder/);
  });

  test("says of a file that could not be read that it denies nothing any more, and that everything is asked about", async () => {
    const here = await desk({ [name]: '{"rules": [' });
    const { risk, sentence } = await cardOf(here.desk);
    assert.equal(
      risk,
      "This loosens: the rules of this folder could not be read any more, and what they deny would only be asked about.",
    );
    assert.match(sentence, /^cairn\.rules\.json, line 1, column \d+: .*\nUntil then everything/);
    await here.answer(card, "approve");
    const next = await here.desk.start(["--goal", "Again."]);
    assert.equal(next.code, 3, next.stderr);
    assert.match(next.stdout, /waiting at turn\/1\/tool\/make\/approval: Run exec\?/);
  });

  test("changes nothing where nobody is there to read it", async () => {
    const alone = await desk({ [name]: noMake }, ["--unattended"]);
    assert.equal(alone.now(), noCurl);
    assert.doesNotMatch(alone.ran.stdout, /waiting at/);
  });
});
