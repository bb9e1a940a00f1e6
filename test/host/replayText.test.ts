import assert from "node:assert/strict";
import { test } from "node:test";
import * as vscode from "vscode";
import { namedProfile } from "../../src/core/profile.ts";
import type {
  Derivation,
  Lookup,
  RecordBody,
  SessionRecord,
  SessionSpec,
} from "../../src/core/records.ts";
import type { WaitSubject } from "../../src/core/waitSubject.ts";
import { viewOf } from "../../src/core/replay.ts";
import { explanationText } from "../../src/host/explanationText.ts";
import { hostileTexts } from "../e2e/hostileTexts.ts";
import { fullOutput, replayText, type ReplayText } from "../../src/host/replayText.ts";

type Body<Kind> = Omit<Extract<RecordBody, { kind: Kind }>, "kind" | "at">;
type Completed = Extract<RecordBody, { kind: "step.completed" }>;

/** One session, record by record. */
class Story {
  readonly records: SessionRecord[] = [];

  constructor(change: Partial<SessionSpec> = {}) {
    const spec: SessionSpec = {
      goal: "Do it",
      profile: namedProfile("default"),
      model: { name: "gpt-4.1", url: "http://127.0.0.1/v1", demo: false },
      sandbox: { backend: "embedded", image: null, digest: "d", limits: "" },
      skills: null,
      workspace: "/w",
      replayOf: null,
      flow: { name: "agent", version: 2, input: { prompts: ["Do it", "And more"] } },
      version: "0.1.0",
      ...change,
    };
    this.add({ kind: "session.started", at: 0, spec });
  }

  add(body: RecordBody): this {
    this.records.push({ ...body, session: "s1", seq: this.records.length + 1 });
    return this;
  }

  model(step: string, text: string, calls: readonly string[] = [], more: Partial<Completed> = {}) {
    const toolCalls = calls.map((id) => ({ id, tool: "exec", args: '{"command":"ls"}' }));
    const usage = { inputTokens: 1000, outputTokens: 500, cachedTokens: 0 };
    const finishReason = calls.length === 0 ? "stop" : "toolCalls";
    const output = { text, toolCalls, finishReason, usage };
    return this.#step({ step, stepKind: "model", name: "gpt-4.1", output, ...more });
  }

  tool(step: string, text: string, more: Partial<Completed> = {}) {
    return this.#step({
      step,
      stepKind: "tool",
      name: "exec",
      output: { text, ok: true },
      ...more,
    });
  }

  step(more: Pick<Completed, "step" | "stepKind" | "output"> & Partial<Completed>) {
    return this.#step({ name: more.step, ...more });
  }

  asked(body: Body<"wait.opened">, answer: Omit<Body<"wait.answered">, "wait" | "digest" | "by">) {
    const { wait, digest } = body;
    const by = { user: "ann", surface: "panel" } as const;
    this.add({ kind: "wait.opened", at: 0, ...body });
    return this.add({ kind: "wait.answered", at: 0, wait, digest, by, ...answer });
  }

  get page(): ReplayText {
    return replayText(viewOf(this.records), this.records);
  }

  #step(body: Pick<Completed, "step" | "stepKind" | "name" | "output"> & Partial<Completed>): this {
    const usual = { key: "k", inputs: {}, durationMs: 12, via: "run" as const };
    return this.add({ kind: "step.completed", at: 0, ...usual, ...body });
  }
}

function headings(text: string): readonly string[] {
  return text.split("\n").filter((line) => line.startsWith("### "));
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
    .map((line) => line.replaceAll(/(`+)(?!`).*?[^`]\1(?!`)/g, "code"))
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
  const choices = { kind: "question" as const, question: hostile, choices: [] };
  const { text } = new Story({
    goal: hostile,
    flow: { name: "agent", version: 2, input: { prompts: [hostile] } },
  })
    .model("turn/1/model", hostile, ["a"])
    .tool("turn/1/tool/a", hostile)
    .tool("turn/1/tool/b", "", { name: hostile })
    .step({ step: "log", stepKind: "log", output: { [hostile]: hostile } })
    .asked(
      { wait: hostile, waitKind: "text", question: hostile, subject: choices, digest: "d" },
      { answer: hostile },
    ).page;
  assert.equal(text.split("onerror").length, 9);
  assert.doesNotMatch(outsideFences(text), /onerror|command:|Not a heading/);
});

test("the editor makes no image, no command and no HTML of what a model wrote, in the replay's text and in its preview", async () => {
  const markdown = [
    ...hostileTexts,
    "<a href=vscode://evil/x>y</a> [f](file:///etc/passwd#L1) <command:workbench.action.quit>",
    "```\n![x](https://evil.test/p.png) [y](command:workbench.action.quit)\n```",
    "[ref]: command:workbench.action.quit\n[ref]",
    `${">".repeat(10_000)} deep`,
  ];
  const story = new Story({ goal: markdown.join("\n") });
  for (const [at, text] of markdown.entries()) {
    story.model(`turn/1/model#${at}`, text, [`a${at}`]).tool(`turn/1/tool/a${at}`, text);
  }
  const { text } = story.page;
  const document = await vscode.workspace.openTextDocument({ content: text, language: "markdown" });
  const links = await vscode.commands.executeCommand<vscode.DocumentLink[]>(
    "vscode.executeLinkProvider",
    document.uri,
  );
  const schemes = links.map(({ target }) => target?.scheme ?? "");
  assert.deepEqual(
    schemes.filter((scheme) => !["http", "https", "file"].includes(scheme)),
    [],
  );
  const html = await vscode.commands.executeCommand<string>("markdown.api.render", document);
  assert.ok(html.includes("window.hit"), "it is rendered");
  const tags = html.match(/<[a-z][^>]*>/gi) ?? [];
  const names = new Set(tags.map((tag) => /^<\w+/.exec(tag)?.[0] ?? tag));
  const wanted = ["<code", "<h1", "<h2", "<h3", "<li", "<p", "<pre", "<span", "<ul"];
  assert.deepEqual([...names].toSorted(), wanted);
  const acting = tags.filter((tag) => /\s(?:href|src|srcdoc|on\w+|style)=/i.test(tag));
  assert.deepEqual(acting, []);
});

test("every call is a block, with the step and the files that it left", () => {
  const { text, blocks } = new Story()
    .model("turn/1/model", "", ["a"])
    .tool("turn/1/tool/a", "a.txt", {
      output: { text: "a.txt", ok: true, tree: "0123456789" },
    }).page;
  assert.deepEqual(blocks.at(1), {
    line: text.split("\n").findIndex((line) => line.startsWith("### `exec`")),
    step: "turn/1/tool/a",
    steps: ["turn/1/tool/a"],
    at: "turn/1/tool/a",
    tree: "0123456789",
  });
  assert.deepEqual(headings(text), [
    "### Model `gpt-4.1` · ran in 12 ms · 1,000 in, 500 out",
    "### `exec` · ran in 12 ms · files 01234567",
  ]);
});

test("a call says how it came", () => {
  const lookup: Lookup = { session: "s0", verdict: "absent", changed: [] };
  const { text, blocks } = new Story()
    .model("turn/1/model", "", ["a"], { via: "replay" })
    .model("turn/1/model#2", "", [], { via: "cache", cache: "workspace" })
    .tool("turn/1/tool/b", "", { via: "override" })
    .tool("turn/1/tool/c", "", { checkpoint: false })
    .tool("turn/1/tool/d", "", { cache: "off", output: { text: "", ok: false } })
    .tool("turn/1/tool/e", "", { via: "replay", lookup }).page;
  const came = headings(text).map((line) => line.split(" · ").slice(1).join(" · "));
  assert.deepEqual(came, [
    "served from the recording · 1,000 in, 500 out",
    "no outcome yet",
    "served from the workspace's cache · 1,000 in, 500 out",
    "given by hand",
    "ran in 12 ms · checkpoint off",
    "ran in 12 ms · failed · cache off",
    "not in the recording",
  ]);
  const beginnings = blocks.flatMap(({ at }) => (at === null ? [] : [at]));
  assert(!beginnings.includes("turn/1/tool/a"), "a call without an outcome is no place to begin");
  assert(!beginnings.includes("turn/1/tool/c"), "no checkpoint is no place to begin");
  assert.equal(beginnings.length, 5);
});

test("each turn has its prompt, and a flow's own steps stand before them", () => {
  const { text } = new Story()
    .step({ step: "artifact/plan", stepKind: "artifact", name: "plan", output: { a: 1 } })
    .model("turn/1/model", "one")
    .model("turn/2/model", "two").page;
  assert.match(
    text,
    /^## Steps\n\n### Saved `plan` · ran in 12 ms\n\n```text\n\{\n {2}"a": 1\n\}\n/m,
  );
  assert.match(text, /^## Turn 1\n\n```text\nDo it\n```\n/m);
  assert.match(text, /^## Turn 2\n\n```text\nAnd more\n```\n/m);
  assert.doesNotMatch(text, /^## Goal/m);
});

test("the goal stands there as long as no turn says it", () => {
  assert.match(new Story().page.text, /^## Goal\n\n```text\nDo it\n```\n/m);
});

test("with the strategy `turn` every turn is one block, and a session can be made from its start", () => {
  const { text, blocks } = new Story({ profile: { ...namedProfile("default"), strategy: "turn" } })
    .model("turn/1/model", "", ["a"])
    .tool("turn/1/tool/a", "", { durationMs: 30 }).page;
  assert.deepEqual(
    blocks.map(({ step, steps, at }) => ({ step, steps, at })),
    [
      {
        step: "turn/1/tool/a",
        steps: ["turn/1/model", "turn/1/tool/a"],
        at: "turn/1",
      },
    ],
  );
  assert.match(text, /^## Turn 1 · 2 calls · 42 ms$/m);
});

test("the header says what it cost, what it may cost, and what it was made from", () => {
  const derivation: Derivation = {
    mode: "fork",
    upTo: 9,
    at: "turn/1/model#2",
    overrides: [{ select: "exec", field: "output", value: null }],
    skip: ["turn/1/tool/a"],
    onMiss: "fail",
  };
  const { text } = new Story({ replayOf: "s0", derivation }).model("turn/1/model", "").page;
  assert.match(text, /^- Cost: \$0\.0060$/m);
  assert.match(text, /^- Budgets: 50 model calls, 5 failures of one call$/m);
  assert.match(
    text,
    /^- Fork of: `s0`, from `turn\/1\/model#2`, with another output of `exec`, without running `turn\/1\/tool\/a`$/m,
  );
  const model = { name: "unheard-of", url: "http://127.0.0.1/v1", demo: false };
  const unknown = new Story({ model }).model("turn/1/model", "", [], { name: "unheard-of" });
  assert.match(unknown.page.text, /^- Cost: not known: no price is set for `unheard-of`$/m);
});

test("answers to a budget, to a doubt and to nobody read as what they did", () => {
  const spent: WaitSubject = {
    kind: "budget",
    budget: "tokens",
    limit: 1000,
    used: 1204,
    add: 1000,
    next: "",
  };
  const doubt: WaitSubject = {
    kind: "inDoubt",
    what: "pay",
    startedAt: 0,
    operation: "o",
    observed: "1 of 1",
  };
  const asked: WaitSubject = { kind: "form", about: null, schema: null };
  const plain = { question: "", digest: "d" };
  const { text } = new Story()
    .asked(
      { ...plain, wait: "one", waitKind: "budget", subject: spent },
      { answer: { approved: true, note: "" } },
    )
    .asked(
      {
        ...plain,
        wait: "two",
        waitKind: "inDoubt",
        subject: doubt,
      },
      { answer: { choice: "happened" } },
    )
    .asked(
      { ...plain, wait: "three", waitKind: "boolean", subject: asked },
      { answer: null, ended: "aborted" },
    )
    .asked(
      { ...plain, wait: "four", waitKind: "gate", subject: asked },
      { answer: null, ended: "expired" },
    ).page;
  assert.deepEqual(
    text.split("\n").filter((line) => line.includes("by `ann`")),
    [
      "- `one`, by `ann` (panel): 1,204 tokens used of 1,000 tokens; 1,000 tokens added",
      "- `two`, by `ann` (panel): it had happened (`1 of 1`)",
      "- `three`, by `ann` (panel): the question was taken back",
      "- `four`, by `ann` (panel): nobody answered in time",
    ],
  );
});

test("facts that the flow logged, failed attempts and a compaction are told", () => {
  const { text } = new Story()
    .step({ step: "log", stepKind: "log", output: { files: { read: 1 } } })
    .step({ step: "log#2", stepKind: "log", output: { files: { written: 2 } } })
    .step({
      step: "turn/1/compaction",
      stepKind: "compaction",
      output: { before: 120_000, after: 70_000, shortened: [1, 2] },
    })
    .add({
      kind: "step.failed",
      at: 0,
      step: "turn/1/model",
      key: "k",
      stepKind: "model",
      name: "gpt-4.1",
      inputs: {},
      attempt: 1,
      willRetry: true,
      failure: { code: "model.unavailable", message: "Overloaded.", origin: "backend" },
    })
    .model("turn/1/model", "").page;
  assert.match(
    text,
    /^## Facts\n\n```json\n\{\n {2}"files": \{\n {4}"read": 1,\n {4}"written": 2/m,
  );
  assert.match(text, /2 older texts were shortened .* about 120,000 tokens before, 70,000 after/);
  assert.match(text, /Attempt 1 failed: Overloaded\. \(model\.unavailable\)/);
});

test("a long output is cut in the page and whole on demand", () => {
  const output = Array.from({ length: 500 }, (_, line) => `line ${line}`).join("\n");
  const story = new Story().model("turn/1/model", "", ["a"]).tool("turn/1/tool/a", output);
  assert.match(story.page.text, /\[… \d+ characters more: Open output\]/);
  assert.equal(fullOutput(viewOf(story.records), "turn/1/tool/a"), output);
});

test("a command shows as it ran, an edit as a diff, and arguments that are not JSON as they came", () => {
  const output = {
    text: "",
    usage: null,
    finishReason: "toolCalls",
    toolCalls: [
      { id: "a", tool: "exec", args: '{"command":"ls\\nls -la"}' },
      { id: "b", tool: "exec", args: "{oops" },
      { id: "c", tool: "edit_file", args: '{"path":"a.ts","old":"one\\ntwo","new":"2"}' },
      { id: "d", tool: "write_file", args: '{"path":"b.md","content":"# B\\n```"}' },
      { id: "e", tool: "search", args: '{"pattern":"x","path":"src"}' },
    ],
  };
  const { text } = new Story().step({ step: "turn/1/model", stepKind: "model", output }).page;
  assert.match(text, /```sh\nls\nls -la\n```/);
  assert.match(text, /```text\n\{oops\n```/);
  assert.match(text, /```diff\n@@ a\.ts\n-one\n-two\n\+2\n```/);
  assert.match(text, /````text\nb\.md\n\n# B\n```\n````/);
  assert.match(text, /```json\n\{\n {2}"pattern": "x",\n {2}"path": "src"\n\}\n```/);
});

test("the explanation of a step says why it ran, its key and which input differs", () => {
  const { records } = new Story().model("turn/1/model", "", [], {
    inputs: { messages: "m1", tools: "t1" },
    lookup: { session: "s0", verdict: "differs", changed: ["messages"] },
  });
  assert.equal(
    explanationText(records, ["turn/1/model"]),
    [
      "**`turn/1/model`**",
      "",
      "It ran\\: messages differ from what session s0 recorded\\.",
      "",
      "Key `k`",
      "",
      "- `messages` **changed**: `m1`",
      "- `tools`: `t1`",
    ].join("\n"),
  );
});

test("the explanation of a turn is a line a call, and nothing of it is more than text", () => {
  const { records } = new Story()
    .model("turn/1/model", "", [], { inputs: { [hostile]: hostile } })
    .tool("turn/1/tool/a", "", { checkpoint: false, step: hostile });
  const text = explanationText(records, ["turn/1/model", hostile, "turn/1/tool/unknown"]);
  assert.equal(text.split("\n").length, 2);
  assert.match(text, /It is no checkpoint\\, so it runs whenever the flow does\\\./);
  const whole = `${text}\n${explanationText(records, ["turn/1/model"])}`;
  assert.doesNotMatch(outsideFences(whole), /onerror|command:|Not a heading/);
});
