import assert from "node:assert/strict";
import { test } from "node:test";
import { nextCommands } from "../../src/cli/nextCommands.ts";
import { printEntry } from "../../src/cli/printEntry.ts";
import { printRecord } from "../../src/cli/printRecord.ts";
import type { RecordBody, SessionRecord } from "../../src/core/records.ts";
import { startRecord, stepRecord } from "../contracts/records.ts";

type Opened = Extract<RecordBody, { kind: "wait.opened" }>;

function print(body: RecordBody): string {
  return printRecord({ ...body, session: "s", seq: 7 });
}

function step(more: Partial<ReturnType<typeof stepRecord>>): string {
  return print({ ...stepRecord("x"), durationMs: 12, ...more });
}

function opened(more: Pick<Opened, "waitKind" | "subject"> & Partial<Opened>): Opened {
  return { kind: "wait.opened", at: 0, wait: "w", question: "Well?", digest: "d", ...more };
}

const by = { user: "ann", surface: "panel" } as const;
const lookup = { session: "other", verdict: "served", changed: [] as string[] } as const;

test("times of any store are shown: far ones, those beyond 2038, and those that are none", () => {
  const entry = {
    session: "s",
    goal: "g",
    status: "completed",
    held: false,
    readOnly: true,
  } as const;
  const times = [2 ** 31 * 1000, 253_402_300_799_999, -62_135_596_800_001, 1e300];
  const shown = times.map((startedAt) =>
    printEntry({ ...entry, madeBy: null, startedAt, lastAt: startedAt, records: 1 }),
  );
  assert.match(shown[0] ?? "", /2038-01-19 03:14 {2}read-only/);
  assert.match(shown[1] ?? "", /9999-12-31 23:59 {2}read-only/);
  assert.match(shown[2] ?? "", / 0000-12-31 23:59 {2}read-only/);
  assert.match(shown[3] ?? "", /an unknown time {2}read-only/);
  const doubt = opened({
    waitKind: "inDoubt",
    subject: { kind: "inDoubt", what: "w", startedAt: 1e300, operation: "o" },
    deadlineMs: 1e300,
  });
  assert.match(print(doubt), /started an unknown time[^]*open until an unknown time/);
});

test("how an outcome came about is told apart: ran, replayed, skipped, shared, given by hand, no checkpoint, cache off", () => {
  assert.match(step({}), /^ {3}7 {2}step\/a \(12 ms\)\n {6}x\n$/);
  assert.match(step({ via: "replay", lookup }), /step\/a \(replayed\)/);
  assert.match(
    step({ via: "replay", lookup: { ...lookup, verdict: "skipped" } }),
    /\(replayed, skipped\)/,
  );
  assert.match(
    step({ via: "cache", lookup, cache: "workspace" }),
    /from session other, same work, cache workspace\)/,
  );
  assert.match(step({ via: "override" }), /\(given by hand\)/);
  assert.match(step({ checkpoint: false }), /\(12 ms, no checkpoint\)/);
  assert.match(step({ cache: "off" }), /\(12 ms, cache off\)/);
  assert.match(
    step({ lookup: { ...lookup, verdict: "differs", changed: ["args", "tree"] } }),
    /\(12 ms, ran because of other args, tree\)/,
  );
});

test("every kind of step is printed as what it is", () => {
  const lines = Array.from({ length: 20 }, (_, index) => `line ${index}`).join("\n");
  assert.match(step({ output: lines }), /line 11\n +… 8 more lines\n$/);
  assert.match(
    step({ stepKind: "turn", step: "turn/1" }),
    /turn\/1 .*: the turn is one checkpoint/,
  );
  assert.match(step({ stepKind: "artifact", name: "notes" }), /saved as notes\n +x/);
  assert.match(step({ stepKind: "log", output: { cost: 3 } }), /logged\n +\{\n +"cost": 3/);
  assert.match(step({ stepKind: "value", output: 42 }), /step\/a \(12 ms\): 42/);
  const plan = { before: 9000, after: 4000, shortened: [1, 2] };
  assert.match(
    step({ stepKind: "compaction", output: plan }),
    /2 older texts .* 9000 → 4000 tokens/,
  );
  const applied = { applied: ["a"], leftAlone: [], failure: null };
  assert.match(
    step({ stepKind: "apply", name: "write", output: applied }),
    /: Applied 1 file to your folder\./,
  );
  assert.match(
    print({
      ...stepRecord(null),
      kind: "step.started",
      what: "send it",
      effect: "external",
      operation: "o",
    }),
    /step\/a \(external effect\): send it/,
  );
  const failure = { code: "c", message: "It broke.", origin: "backend" } as const;
  assert.match(
    print({ ...stepRecord(null), kind: "step.failed", attempt: 2, failure, willRetry: true }),
    /step\/a failed \(attempt 2, trying again\): It broke\./,
  );
});

test("how a session stands and how a wait ended is said with who did it", () => {
  assert.match(print({ kind: "session.parked", at: 0, waits: ["a", "b"] }), /parked: .* a or b/);
  const ended = { kind: "wait.answered", at: 0, wait: "w", digest: "d", by } as const;
  assert.match(
    print({ ...ended, answer: { approved: true } }),
    /w answered by ann \(panel\): \{"approved":true\}/,
  );
  assert.match(
    print({ ...ended, answer: null, ended: "aborted" }),
    /w taken back by ann \(panel\)/,
  );
  assert.match(print({ ...ended, answer: null, ended: "expired" }), /w expired: nobody answered/);
  const end = { kind: "session.ended", at: 0, output: "", failure: null, denied: 2 } as const;
  assert.match(print({ ...end, status: "cancelled", by }), /session cancelled by ann \(panel\)/);
  assert.match(print({ ...end, status: "completed" }), /2 denied/);
});

test("a wait shows all that its answer is bound to, and a command that answers it", () => {
  const change = {
    path: "a.txt",
    change: "modified",
    diff: "-x\n+y",
    binary: false,
    conflict: null,
  } as const;
  const apply = {
    kind: "apply",
    base: "b",
    tree: "t",
    changes: [change, { ...change, path: "b.txt", conflict: "you edited it" }],
  } as const;
  const applied = print(
    opened({ waitKind: "approval", subject: { ...apply, changes: [...apply.changes] } }),
  );
  assert.match(applied, /modified a\.txt\n +-x\n +\+y\n +left alone: b\.txt \(you edited it\)/);
  const tool = {
    kind: "tool",
    tool: "exec",
    args: { command: "rm -rf /\ntrue" },
    what: "rm -rf /\ntrue",
    where: "the docker sandbox",
    reason: "to tidy up",
  } as const;
  assert.match(
    print(opened({ waitKind: "approval", subject: tool })),
    /\$ rm -rf \/\n +true\n +in the docker sandbox\n +the model says: to tidy up/,
  );
  const doubt = {
    kind: "inDoubt",
    what: "send",
    startedAt: 0,
    operation: "o1",
    sent: [1],
    observed: "It is there.",
    result: { id: 4 },
  } as const;
  const shown = print(
    opened({ waitKind: "inDoubt", subject: { ...doubt, sent: [1] }, deadlineMs: 60_000 }),
  );
  assert.match(
    shown,
    /started 1970-01-01 00:00:00 UTC: send\n +operation o1\n +sent:\n +\[\n +1\n +\]\n +It is there\.\n +recorded if it happened:\n +\{\n +"id": 4\n +\}\n +open until 1970-01-01 00:01:00 UTC/,
  );
  const records: readonly SessionRecord[] = [
    { ...startRecord(), session: "s", seq: 1 },
    {
      ...opened({
        waitKind: "text",
        subject: { kind: "question", question: "Well?", choices: ["it's a $(trap)"] },
      }),
      session: "s",
      seq: 2,
    },
  ];
  assert.deepEqual(nextCommands("waiting", records, "/my place"), [
    [
      "It waits for you. Type some text.",
      `cairn answer --workspace '/my place' s w 'it'\\''s a $(trap)'`,
      "cairn abort --workspace '/my place' s w",
    ].join("\n  "),
  ]);
});

test("nobody's text moves the cursor, hides other text or looks like a record of its own", () => {
  const hostile = "a\u001B[2J\u0007\u202Eb\u2028c\r";
  const texts = [
    print(startRecord(hostile)),
    step({ output: hostile, step: hostile }),
    print(
      opened({
        waitKind: "boolean",
        question: hostile,
        subject: { kind: "form", about: hostile, schema: null },
      }),
    ),
  ];
  const forged = "Well?\n   8  session completed";
  const subject = { kind: "form", about: null, schema: null } as const;
  assert.doesNotMatch(print(opened({ waitKind: "boolean", question: forged, subject })), /^ {3}8/m);
  for (const text of texts) assert.doesNotMatch(text, /[^\P{C}\n\t]|[\u2028\u2029]/u);
});
