import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonLine } from "../../src/cli/plain.ts";
import { printRecord } from "../../src/cli/printRecord.ts";
import type { RecordBody, SessionRecord } from "../../src/core/records.ts";
import { viewOf } from "../../src/core/replay.ts";
import { replayText } from "../../src/host/replayText.ts";
import { startRecord, stepRecord } from "../contracts/records.ts";

/** The sequences of ECMA-48 and what terminals added: every final, in 7 and in 8 bits, with what answers, writes, hides. */
function sequences(): readonly string[] {
  const finals = Array.from({ length: 0x7e - 0x40 + 1 }, (_, at) => String.fromCharCode(0x40 + at));
  const escapes = Array.from({ length: 0x7e - 0x30 + 1 }, (_, at) =>
    String.fromCharCode(0x30 + at),
  );
  const strings = [
    "]0;title",
    "]2;title",
    "]4;1;?",
    "]8;;http://evil",
    "]10;?",
    "]52;c;cm0=",
    "]1337;x",
  ];
  return [
    ...finals.map((final) => `\u001B[1;2${final}`),
    ...escapes.map((final) => `\u001B${final}`),
    ...[
      "?1049h",
      "?2004h",
      "?25l",
      ">c",
      "=c",
      "6n",
      "?6n",
      "5n",
      "14t",
      "21t",
      "2J",
      "8m",
      "3J",
    ].map((rest) => `\u001B[${rest}`),
    ...strings.flatMap((rest) => [
      `\u001B${rest}\u0007`,
      `\u001B${rest}\u001B\\`,
      `\u009D${rest.slice(1)}\u009C`,
    ]),
    ...['P$q"p', "P+q544e", "_Gq=2;x", "^x", "Xx"].map((rest) => `\u001B${rest}\u001B\\`),
    ...Array.from({ length: 32 }, (_, at) => `${String.fromCharCode(0x80 + at)}x`),
    ...Array.from("\u0005\u0007\b\v\f\r\u000E\u000F\u0011\u0013\u0018\u001A\u007F"),
  ];
}

/** Everything that a terminal obeys: nothing of it may come out. */
// eslint-disable-next-line no-control-regex -- these are what it looks for
const obeyed = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/;

function recordsWith(text: string): readonly SessionRecord[] {
  const output = { text, ok: true };
  const bodies: readonly RecordBody[] = [
    startRecord(text),
    { ...stepRecord(output), stepKind: "tool", name: text, step: "turn/1/tool/a" },
    {
      kind: "step.failed",
      at: 2,
      step: "turn/1/tool/a",
      key: "k",
      stepKind: "tool",
      name: text,
      inputs: {},
      attempt: 1,
      failure: { origin: "runtime", code: "sandbox.lost", message: text },
      willRetry: false,
    },
    {
      kind: "wait.opened",
      at: 3,
      wait: "w",
      waitKind: "approval",
      question: text,
      subject: {
        kind: "tool",
        tool: "exec",
        args: { command: text },
        what: text,
        where: text,
        reason: text,
      },
      digest: "d",
    },
    {
      kind: "wait.answered",
      at: 4,
      wait: "w",
      digest: "d",
      answer: { approved: false, note: text },
      by: { user: text, surface: "cli" },
    },
    { kind: "session.ended", at: 5, status: "completed", output: text, failure: null, denied: 0 },
  ];
  const records: SessionRecord[] = [];
  for (const body of bodies) records.push({ ...body, session: "s", seq: records.length + 1 });
  return records;
}

test("no sequence of a terminal comes out of the command line or the replay", () => {
  const all = sequences();
  assert(all.length >= 200, String(all.length));
  for (const sequence of all) {
    const records = recordsWith(`before ${sequence} after`);
    const printed = records.map(printRecord).join("");
    assert.match(printed, /before .*⟨U\+/);
    assert.doesNotMatch(printed, obeyed);
    assert.doesNotMatch(records.map(jsonLine).join(""), obeyed);
    assert.doesNotMatch(replayText(viewOf(records), records).text, obeyed);
  }
});

test("a line of JSON for programs says what the record says", () => {
  for (const text of ["\u009B2J", "\u202Ex", "\u{E0041}", "\u2028", "plain é 日本"]) {
    const [record] = recordsWith(text);
    assert.deepEqual(JSON.parse(jsonLine(record)), record);
  }
});
