import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, suite, test } from "node:test";
import { commandLine } from "../../src/cli/commandLine.ts";
import { Cairn, type Finished } from "./cairn.ts";
import { Desk } from "./desk.ts";

const dist = new URL("../../dist/", import.meta.url);
const cairn = new Cairn();
after(() => cairn.remove());

/** The last line of standard error: what a person reads. */
function sentence({ stderr }: Finished): string {
  return stderr.trimEnd().split("\n").at(-1) ?? "";
}

/** Every file of a workspace's store by its content. */
function storeOf(workspace: string): Readonly<Record<string, string>> {
  const folder = join(workspace, ".cairn");
  return Object.fromEntries(
    readdirSync(folder).map((name) => [
      name,
      createHash("sha256")
        .update(readFileSync(join(folder, name)))
        .digest("hex"),
    ]),
  );
}

test("wrong use is one sentence with the choices, exits 2, and makes nothing", async (t) => {
  const workspace = cairn.folder();
  const profile = cairn.json("bad.json", { name: "bad", budgets: { tokens: "many" } });
  const run = ["run", "--demo"];
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["dance"], /There is no command "dance"\. Commands: run, sessions, show, answer, abort, /],
    [["run"], /Say what to do with --goal TEXT, or use --demo\./],
    [["run", "--goal", " ", "--model", "m"], /--goal is empty/],
    [["run", "--goal", "x"], /Name the model with --model/],
    [[...run, "--model", "m"], /--demo brings its own model/],
    [
      [...run, "--sandbox", "moon"],
      /--sandbox is one of auto, docker, bubblewrap, embedded; not "moon"\./,
    ],
    [[...run, "--strategy", "all"], /--strategy is one of calls, turn; not "all"\./],
    [[...run, "--cache", "disk"], /--cache is one of session, workspace, off; not "disk"\./],
    [[...run, "--model-url", "nowhere"], /--model-url is an address like/],
    [[...run, "--nonsense"], /nonsense.*See cairn --help\./],
    [[...run, "--strategy", "turn", "--granular-checkpoints"], /Give only one of the three\./],
    [
      [...run, "--granular-checkpoints", "--no-granular-checkpoints"],
      /--granular-checkpoints means --strategy calls.*Give only one/,
    ],
    [
      [...run, "--budget", "patience=3"],
      /--budget takes NAME=LIMIT with one of tokens, money, modelCalls, commands, wallTime, sameFailure, or none; not "patience=3"\./,
    ],
    [[...run, "--budget", "tokens=0"], /--budget tokens takes a whole number above zero, or none/],
    [[...run, "--budget", "money=much"], /--budget money takes dollars, like 2\.5, or none/],
    [[...run, "--budget", "wallTime=10"], /a number above zero with a unit \(s, m, h, d, w\)/],
    [[...run, "--deadline", "soon"], /--deadline takes a number above zero with a unit/],
    [[...run, "--profile", "nobody"], /There is no profile "nobody"\. Use default, careful, /],
    [[...run, "--profile", profile], /bad\.json does not fit: .*tokens/s],
    [[...run, "--input", "{}"], /--input is for a flow of your own/],
    [["run", "--model", "m", "--flow", "agent", "--goal", "x"], /leave out --goal/],
    [["run", "--model", "m", "--flow", "agent", "--input", "{"], /--input takes JSON/],
    [["answer", "one"], /Use: cairn answer ID WAIT VALUE/],
    [["abort", "one"], /Use: cairn abort ID WAIT/],
    [["verify", "one", "two"], /Use: cairn verify \[FILE\]/],
    [["retry", "one", "--goal", "x"], /cairn retry has no option --goal\. It takes --api-key-file/],
    [["fork", "one", "--skip", "x"], /cairn fork has no option --skip\. It takes --at, --override/],
    [["replay", "one", "--on-miss", "guess"], /--on-miss is one of fail, error, run; not "guess"/],
    [
      ["prune"],
      /--older-than AGE, like 30d, --max-size SIZE, like 500MB, or --audit-older-than AGE/,
    ],
    [["prune", "--older-than", "old"], /--older-than takes a number above zero with a unit/],
    [["prune", "--max-size", "5 potatoes"], /--max-size takes .* \(B, KB, MB, GB, KiB, MiB, GiB\)/],
  ];
  const out = t.mock.method(process.stdout, "write", () => true);
  const said = t.mock.method(process.stderr, "write", () => true);
  const results: { args: string; code: number; stderr: string; says: RegExp }[] = [];
  for (const [args, says] of cases) {
    const earlier = said.mock.callCount();
    const code = await commandLine([...args, "--workspace", workspace], { dist, flows: [] });
    const lines = said.mock.calls.slice(earlier).map((call) => String(call.arguments[0]));
    results.push({ args: args.join(" "), code, stderr: lines.join(""), says });
  }
  const printed = out.mock.callCount();
  t.mock.restoreAll();
  for (const { args, code, stderr, says } of results) {
    assert.equal(code, 2, `${args}: ${stderr}`);
    assert.match(stderr, says);
    assert.match(stderr, /\[(usage|profile)\.invalid\]\n$/);
  }
  assert.equal(printed, 0);
  assert.deepEqual(readdirSync(workspace), []);
  const whole = await cairn.run(["dance", "--workspace", workspace]);
  assert.equal(whole.code, 2, "as a process too");
});

suite("bad input gets a typed error with the choices, and leaves the store byte for byte", () => {
  let desk: Desk;
  let session = "";
  before(async () => {
    const exec = (id: string, command: string) => ({ id, tool: "exec", args: { command } });
    desk = await Desk.open(cairn, [
      { text: "Two.", calls: [exec("one", "echo 1"), exec("two", "echo 2")] },
      { text: "", calls: [{ id: "ask", tool: "ask_question", args: { question: "Right?" } }] },
      { text: "Done." },
    ]);
    await desk.start(["--goal", "Run two commands and ask."]);
    ({ session } = await desk.session());
    const answered = await desk.do(["answer", session, "turn/1/tool/ask/answer", "Right."]);
    assert.equal(answered.code, 0, answered.stderr);
  });

  async function refused(args: readonly string[], says: RegExp): Promise<void> {
    const bytes = storeOf(desk.workspace);
    const finished = await desk.do(args);
    assert.equal(finished.code, 2, finished.stderr);
    assert.match(sentence(finished), says);
    assert.deepEqual(storeOf(desk.workspace), bytes);
    assert.equal((await cairn.sessions(desk.workspace)).length, 1);
  }

  test("an unknown flow", async () => {
    const model = ["--model-url", desk.server.url, "--model", "m", "--sandbox", "embedded"];
    await refused(
      ["run", "--flow", "nope", ...model],
      /There is no flow nope\. There are: agent\. \[flow\.unknown\]$/,
    );
  });

  test("an unknown selector", async () => {
    const list =
      /There is no step nope\. There are: turn\/1\/model, workspace\/base, turn\/1\/tool\/one, turn\/1\/tool\/two, turn\/1\/model#2, turn\/1\/tool\/ask\/answer, turn\/1\/tool\/ask, turn\/1\/model#3\. \[selector\.unknown\]$/;
    await refused(["replay", session, "--at", "nope"], list);
    await refused(["fork", session, "--at", "nope"], list);
    await refused(["replay", session, "--skip", "nope"], list);
    await refused(["replay", session, "--override", "nope.output=1"], list);
    await refused(["explain", session, "nope"], list);
  });

  test("an ambiguous selector", async () => {
    const list =
      /exec names 2 steps\. Choose one: turn\/1\/tool\/one#1, turn\/1\/tool\/two#1\. \[selector\.ambiguous\]$/;
    await refused(["replay", session, "--at", "exec"], list);
    await refused(["fork", session, "--at", "exec"], list);
    await refused(["explain", session, "exec"], list);
  });

  test("a malformed override, or one that cannot be", async () => {
    const form =
      /--override takes SELECTOR\.input=JSON, SELECTOR\.output=JSON, SELECTOR\.model=NAME or SELECTOR\.answer=JSON; not ".*"\. \[usage\.invalid\]$/;
    for (const text of ["", "one", "one=2", "one.output", "one.colour=2", ".output=2"]) {
      await refused(["replay", session, "--override", text], form);
    }
    await refused(
      ["replay", session, "--override", "ask/answer.answer=1", "--override", "one.answer=1"],
      /\[(selector\.unknown|override\.invalid)\]$/,
    );
    await refused(
      ["replay", session, "--override", "one.answer=1"],
      /turn\/1\/tool\/one is a step: override its input, its output or its model, not an answer\. \[override\.invalid\]$/,
    );
    await refused(
      ["replay", session, "--override", "turn/1/tool/ask/answer.output=1"],
      /turn\/1\/tool\/ask\/answer is a wait: only its answer can be overridden\. \[override\.invalid\]$/,
    );
    await refused(
      ["replay", session, "--skip", "one", "--override", "one.output=1"],
      /turn\/1\/tool\/one is both skipped and overridden\. Ask for one of the two\. \[override\.invalid\]$/,
    );
  });

  test("a store of a newer schema version", async () => {
    const path = join(desk.workspace, ".cairn", "sessions.db");
    const kept = readFileSync(path);
    const database = new DatabaseSync(path);
    database.exec("pragma user_version = 99; pragma wal_checkpoint(truncate)");
    database.close();
    try {
      const bytes = storeOf(desk.workspace);
      for (const args of [["sessions"], ["show", session], ["resume", session], ["verify"]]) {
        const finished = await desk.do(args);
        assert.equal(finished.code, 1);
        assert.match(sentence(finished), /newer.*\[store\.newer\]$/i);
        assert.deepEqual(storeOf(desk.workspace), bytes);
      }
    } finally {
      writeFileSync(path, kept);
    }
  });
});
