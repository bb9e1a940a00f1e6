import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import * as z from "zod";
import type { KeptEntry } from "../../src/core/audit.ts";
import { toolOutput, type SessionRecord } from "../../src/core/records.ts";
import { compileShim, faultEnvironment, IoFaults, newControl } from "../durable/faults/ioFaults.ts";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";
import type { Reply } from "./scriptedServer.ts";

const cairn = new Cairn();
after(() => cairn.remove());

const tools = [
  "exec",
  "read_file",
  "write_file",
  "edit_file",
  "list_files",
  "search",
  "skill",
  "ask_question",
];
const rules = Object.fromEntries(tools.map((tool) => [tool, "allow"]));
const profile = cairn.json("audit.json", {
  name: "audit",
  tools,
  rules: { ...rules, edit_file: "ask" },
  budgets: { modelCalls: null, sameFailure: null },
});
const start = ["--profile", profile, "--goal", "Do a hundred things."];

/** Rounds of calls of every tool; what an agent does in a long session. */
function rounds(count: number): readonly Reply[] {
  return Array.from({ length: count }, (_, round) => {
    const call = (tool: string, args: object) => ({ id: `${tool}_${round}`, tool, args });
    const name = `made-${round}.txt`;
    const looks = [
      call("read_file", { path: "a.txt" }),
      call("list_files", {}),
      call("search", { pattern: "one" }),
    ];
    const each = [
      call("exec", { command: `echo ${round} >> log.txt; exit ${round % 3}` }),
      call("write_file", { path: name, content: `${round}\n` }),
      ...looks,
      call("skill", { action: "read", skill: "fix-a-failing-test" }),
      call("skill", { action: "list" }),
      call("exec", { command: "true" }),
    ].map(({ id, tool, args }, index) => ({ id: `${id}_${index}`, tool, args }));
    const asks =
      round % 4 === 0
        ? [call("edit_file", { path: name, old: `${round}`, new: "x" })]
        : round % 5 === 1
          ? [call("ask_question", { question: "Go on?", choices: ["yes", "no"] })]
          : [];
    return { text: "", calls: [...each, ...asks] };
  });
}

async function auditOf(desk: Desk, session: string): Promise<readonly KeptEntry[]> {
  const { stdout, code, stderr } = await desk.do(["audit", "--session", session, "--json"]);
  assert.equal(code, 0, stderr);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => kept.parse(JSON.parse(line)));
}

/** The lines of its files, as they lie on disk. */
function files(home: string): readonly { readonly path: string; readonly lines: string[] }[] {
  const directory = join(home, "audit");
  return readdirSync(directory).map((name) => {
    const path = join(directory, name);
    return { path, lines: readFileSync(path, "utf8").split("\n").slice(0, -1) };
  });
}

const kept = z.custom<KeptEntry>((value) => typeof value === "object" && value !== null);

function of<Kind extends SessionRecord["kind"]>(records: readonly SessionRecord[], kind: Kind) {
  return records.filter(
    (record): record is Extract<SessionRecord, { kind: Kind }> => record.kind === kind,
  );
}

suite("I27-03: the audit log of a long session", () => {
  test("has every effect, question, answer and skill of a hundred steps exactly once, with the digests that are on record", async () => {
    const desk = await Desk.open(cairn, [...rounds(12), { text: "All done." }], {
      "a.txt": "one\n",
    });
    const args = { args: [] };
    let last = await cairn.answerAll(await desk.start(start), desk.workspace, {
      ...args,
      environment: { OPENAI_API_KEY: "sk-test-0123456789abcdef" },
    });
    assert.equal(last.code, 0, last.stderr);
    const { session } = await desk.session();
    last = await cairn.answerAll(await desk.do(["undo", session]), desk.workspace, {});
    assert.equal(last.code, 0, last.stderr);
    const records = await desk.records();
    const entries = await auditOf(desk, session);
    const told = (...kinds: readonly string[]) =>
      entries.filter(({ kind }) => kinds.includes(kind));

    const steps = of(records, "step.completed").filter(({ stepKind }) => stepKind === "tool");
    assert.ok(steps.length >= 100, `${steps.length} calls of tools`);
    const started = of(records, "step.started").map(({ step, operation, key }) => ({
      step,
      operation,
      digest: key,
    }));
    for (const kind of ["began", "ended"]) {
      const pairs = told(kind).map(({ step, operation, digest }) => ({ step, operation, digest }));
      assert.deepEqual(pairs.toSorted(byStep), started.toSorted(byStep), kind);
    }
    assert.ok(started.some(({ step }) => step === "apply/proposed"));
    assert.ok(started.some(({ step }) => step === "undo/1"));

    const waits = (kind: "wait.opened" | "wait.answered") =>
      of(records, kind).map(({ wait, digest }) => ({ wait, digest }));
    const audited = (kind: string) =>
      told(kind).map(({ step, digest }) => ({ wait: step, digest }));
    assert.deepEqual(audited("asked"), waits("wait.opened"));
    assert.deepEqual(audited("answered"), waits("wait.answered"));
    assert.ok(waits("wait.answered").length >= 6);

    const [first] = of(records, "session.started");
    const loads = steps.filter(({ step, name }) => name === "skill" && step.endsWith("_5"));
    const texts = loads.map(({ output }) => hash("sha256", toolOutput.parse(output).text));
    assert.deepEqual(
      told("skills").map(({ digest }) => digest),
      [first?.spec.skills?.digest, ...texts],
    );
    assert.deepEqual(
      told("session").map(({ what }) => what),
      [
        "started: Do a hundred things.",
        ...records.flatMap((record) => {
          if (record.kind === "session.resumed") return [`goes on: ${record.reason}`];
          return record.kind === "session.ended" ? ["ended"] : [];
        }),
      ],
    );
    assert.deepEqual(told("refused"), []);
    const verified = await desk.do(["verify", "--audit"]);
    assert.equal(verified.code, 0);
    assert.match(
      verified.stdout,
      /^The audit log in .*\/audit is sound: \d+ entries in \d+ files\.\n$/,
    );
  });
});

function byStep(left: { readonly step: string | null }, right: { readonly step: string | null }) {
  return (left.step ?? "") < (right.step ?? "") ? -1 : 1;
}

suite("a session whose process is killed", () => {
  test("leaves a sound log; what it was at is said to be interrupted, until it has been done", async () => {
    const own = new Cairn();
    after(() => own.remove());
    const exec = { id: "a", tool: "exec", args: { command: "sleep 1; echo done" } };
    const desk = await Desk.open(own, [{ text: "", calls: [exec] }, { text: "ok" }]);
    const killed = await desk.start(["--goal", "x"], {
      killWhen: /turn\/1\/tool\/a: /,
      killLateByMs: 100,
    });
    assert.equal(killed.signal, "SIGKILL");
    const before = await desk.do(["verify", "--audit"]);
    assert.equal(before.code, 0, before.stdout);
    assert.match(
      before.stdout,
      /^note {2}.*line \d+ is of an effect without an end, so it was interrupted: turn\/1\/tool\/a of session/,
    );
    const { session } = await desk.session();
    assert.equal((await desk.do(["resume", session])).code, 0);
    const done = await desk.do(["verify", "--audit"]);
    assert.doesNotMatch(done.stdout, /note/);
    const pair = (await auditOf(desk, session)).filter(({ operation }) => operation !== null);
    assert.deepEqual(
      pair.map(({ kind }) => kind),
      ["began", "began", "ended"],
    );
    assert.equal(new Set(pair.map(({ operation }) => operation)).size, 1);
  });
});

suite("cairn verify and cairn audit", () => {
  test("name the file and the line of what was changed, and the exit code says so", async () => {
    const own = new Cairn();
    after(() => own.remove());
    const desk = await Desk.open(own, [{ text: "ok" }]);
    assert.equal((await desk.start(["--goal", "x"])).code, 0);
    const sound = await desk.do(["verify"]);
    assert.equal(sound.stdout, "Everything that is stored is sound.\n");
    const [file] = files(own.home);
    assert.ok(file !== undefined);
    writeFileSync(
      file.path,
      file.lines.map((line) => `${line.replace("started: x", "started: y")}\n`).join(""),
    );
    for (const args of [["verify"], ["verify", "--audit"]]) {
      const found = await desk.do(args);
      assert.equal(found.code, 1);
      assert.match(found.stdout, /\d{14}-\d+-[0-9a-f]{12}\.jsonl, line 2 was changed/);
    }
    const json = await desk.do(["verify", "--audit", "--json"]);
    const { sound: isSound, damage } = z
      .object({ sound: z.boolean(), damage: z.array(z.object({ line: z.number() })) })
      .parse(JSON.parse(json.stdout));
    assert.deepEqual([isSound, damage.map(({ line }) => line)], [false, [2]]);
  });

  test("print entries in words, of one session where it is named", async () => {
    const own = new Cairn();
    after(() => own.remove());
    const desk = await Desk.open(own, [{ text: "ok" }]);
    await desk.start(["--goal", "first"]);
    const { session } = await desk.session();
    await desk.start(["--goal", "second"]);
    const all = await desk.do(["audit"]);
    assert.match(all.stdout, /started: first[^]*started: second/);
    const one = await desk.do(["audit", "--session", session]);
    assert.match(
      one.stdout,
      new RegExp(`^\\d{4}-\\d\\d-\\d\\dT[\\d:]+Z {2}session {3}${session}\n {6}started: first\n`),
    );
    assert.doesNotMatch(one.stdout, /second/);
  });

  test("let go of old files, and wrong use is told", async () => {
    const own = new Cairn();
    after(() => own.remove());
    const desk = await Desk.open(own, [{ text: "ok" }]);
    await desk.start(["--goal", "x"]);
    const young = await desk.do(["prune", "--audit-older-than", "365d"]);
    assert.equal(young.stdout, "0 files of the audit log removed by age.\n");
    const old = await desk.do(["prune", "--audit-older-than", "0.0001s"]);
    assert.equal(old.code, 2);
    await desk.do(["prune", "--audit-older-than", "1s"]);
    assert.equal((await desk.do(["verify", "--audit"])).code, 0);
    const wrong = await desk.do(["verify", "x.cairn", "--audit"]);
    assert.equal(wrong.code, 2);
  });
});

suite("I27-02: on a disk that takes no more entries", () => {
  test("no command runs, no file is written, the session says why, and a retry goes on", async () => {
    const own = new Cairn();
    after(() => own.remove());
    const library = compileShim(own.place);
    for (const fault of ["ENOSPC", "EIO"] as const) {
      const calls = [{ id: "a", tool: "exec", args: { command: "echo ran" } }];
      const desk = await Desk.open(own, [{ text: "", calls }, { text: "ok" }]);
      const control = newControl(join(own.place, `control-${fault}`));
      const faults = new IoFaults(control);
      const environment = {
        OPENAI_API_KEY: "sk-test-0123456789abcdef",
        ...faultEnvironment(library, control, join(own.home, "audit")),
      };
      // Three calls make the file with the entries of the start; what comes then is the effect's.
      faults.arm({ fault, at: 4, times: null, only: fault === "EIO" ? "sync" : "write" });
      const ran = await desk.start(["--goal", "x", "--profile", profile], { environment });
      faults.clear();
      assert.equal(ran.code, 1, ran.stderr);
      assert.match(
        ran.stderr + ran.stdout,
        /The audit log cannot be written \(.*\), so nothing was done/,
      );
      assert.deepEqual(desk.commands, [], "no command was run");
      const { session, status } = await desk.session();
      assert.equal(status, "failed");
      assert.equal((await desk.do(["retry", session])).code, 0);
      assert.deepEqual(desk.commands, ["echo ran"]);
      assert.equal((await desk.do(["verify", "--audit"])).code, 0);
    }
  });
});
