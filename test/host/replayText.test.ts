import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallView, SessionView } from "../../src/core/replay.ts";
import { namedProfile } from "../../src/core/profile.ts";
import { callInput, fullOutput, replayText } from "../../src/host/replayText.ts";

const call: CallView = {
  step: "turn/1/tool/a",
  name: "exec",
  kind: "tool",
  input: JSON.stringify({ command: "ls" }),
  output: "a.txt",
  ok: true,
  durationMs: 12,
  via: "run",
  usage: null,
  treeBefore: "",
  treeAfter: "0123456789",
};

function session(change: {
  readonly goal?: string;
  readonly strategy?: "calls" | "turn";
  readonly calls?: readonly CallView[];
}): SessionView {
  const { goal = "Do it", strategy = "calls", calls = [call] } = change;
  return {
    session: "s1",
    spec: {
      goal,
      profile: { ...namedProfile("default"), strategy },
      model: { name: "m", url: "http://127.0.0.1/v1", demo: false },
      sandbox: { backend: "embedded", image: null, digest: "d", limits: "" },
      skills: null,
      workspace: "/w",
      replayOf: null,
      version: "0.1.0",
    },
    status: "running",
    turns: [{ turn: 1, calls }],
    openWaits: [],
    answered: [],
    ended: null,
    usage: { inputTokens: 1234, outputTokens: 5, cachedTokens: 0 },
    baseTree: "",
    tree: "",
    applied: false,
    startedAt: 0,
    lastAt: 1500,
  };
}

/** What markdown would read as more than text. */
function outsideFences(text: string): string {
  let fence = "";
  return text
    .split("\n")
    .filter((line) => {
      const marks = /^(`{3,})\w*$/.exec(line)?.[1] ?? "";
      if (fence === "" && marks !== "") fence = marks;
      else if (fence !== "" && line === fence) fence = "";
      else return fence === "";
      return false;
    })
    .join("\n");
}

const hostile = [
  "[click](command:workbench.action.terminal.new)",
  "````",
  "```",
  "<img src=x onerror=alert(1)>",
  "# Not a heading",
].join("\n");

test("what a model, a command or a person wrote is nothing but text", () => {
  const { text } = replayText(
    session({
      goal: hostile,
      calls: [
        { ...call, output: hostile, input: hostile },
        { ...call, kind: "model", step: "turn/1/model", output: hostile },
      ],
    }),
  );
  assert.equal(text.split("onerror").length, 5);
  assert.doesNotMatch(outsideFences(text), /onerror|command:|Not a heading/);
});

test("every call is a block, with the step and the files that it left", () => {
  const { text, blocks } = replayText(session({}));
  const [block] = blocks;
  assert.equal(blocks.length, 1);
  assert.equal(block?.step, call.step);
  assert.equal(block?.tree, call.treeAfter);
  assert.equal(text.split("\n")[block?.line ?? 0], "### `exec` · 12 ms · files 01234567");
});

test("with the strategy `turn` every turn is one block", () => {
  const second = { ...call, step: "turn/1/tool/b", durationMs: 30 };
  const { text, blocks } = replayText(session({ strategy: "turn", calls: [call, second] }));
  assert.deepEqual(
    blocks.map(({ step }) => step),
    [second.step],
  );
  assert.match(text, /^## Turn 1 · 2 calls · 42 ms$/m);
});

test("a long output is cut in the page and whole on demand", () => {
  const output = Array.from({ length: 500 }, (_, line) => `line ${line}`).join("\n");
  const view = session({ calls: [{ ...call, output }] });
  assert.match(replayText(view).text, /\[… \d+ characters more: Open output\]/);
  assert.equal(fullOutput(view, call.step), output);
});

test("a command shows as it ran, and arguments that are not JSON as they came", () => {
  assert.deepEqual(callInput(call), { language: "sh", text: "ls" });
  assert.deepEqual(callInput({ ...call, input: "{oops" }), { language: "text", text: "{oops" });
});
