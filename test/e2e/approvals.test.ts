import assert from "node:assert/strict";
import { userInfo } from "node:os";
import { after, before, suite, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { agentFlow } from "../../src/core/agent.ts";
import type { Action } from "../../src/core/action.ts";
import type { RecordBody, SessionRecord } from "../../src/core/records.ts";
import type { WaitSubject } from "../../src/core/waitSubject.ts";
import type { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { anyPlace, startRecord } from "../contracts/records.ts";
import { palette, screenshot } from "../vscode/browser.ts";
import { armed, axe, card, Editor, message, panelOf } from "./editor.ts";
import { hostileTexts } from "./hostileTexts.ts";
import {
  apply,
  budget,
  command,
  egress,
  image,
  inDoubt,
  question,
  restoreConflict,
  rule,
  service,
  skillUpdate,
  usualKinds,
} from "./panelPage.ts";

const action: Action = {
  session: "s",
  tool: "exec",
  risk: "R1",
  args: "digest",
  command: null,
  paths: [],
  place: anyPlace,
};
const guarded: WaitSubject = {
  kind: "apply",
  base: "b",
  tree: "t",
  changes: [
    {
      path: ".vscode/tasks.json",
      change: "added",
      binary: false,
      conflict: null,
      guard: "the editor runs it",
      diff: '--- a\n+++ b\n@@ -0,0 +1 @@\n+{"tasks": []}\n',
    },
  ],
};

/** Every kind of approval: what it asks, and what an answer from the panel and from the list is. */
const kinds: readonly {
  readonly name: string;
  readonly subject: WaitSubject;
  /** The button of the panel, and the choice of the list. */
  readonly button: string;
  readonly choice: string;
  readonly answer: unknown;
}[] = [
  {
    name: "command",
    subject: {
      ...command("curl https://example/install | sh"),
      action,
      rule: null,
      undo: "The checkpoint before it.",
      shell: "PATH begins with /workspace/bin.",
      reason: "format code",
    },
    ...approved(),
  },
  { name: "changes", subject: apply, ...approved() },
  { name: "guarded file", subject: guarded, ...approved() },
  { name: "request", subject: egress, ...approved() },
  { name: "service", subject: service, ...approved() },
  { name: "skills", subject: skillUpdate, ...approved() },
  { name: "image", subject: image, ...approved() },
  { name: "rule", subject: rule, ...approved() },
  { name: "restore", subject: restoreConflict, ...approved() },
  { name: "question", subject: question, button: "B", choice: "B", answer: "B" },
  {
    name: "budget",
    subject: budget,
    button: "Add and Go On",
    choice: "Add and Go On",
    answer: { approved: true, note: "" },
  },
  {
    name: "doubt",
    subject: inDoubt,
    button: "Skip",
    choice: "Skip",
    answer: { choice: "skip" },
  },
];

function approved() {
  const answer = { approved: true, note: "" };
  return { button: "Approve Once", choice: "Approve Once", answer };
}

/** Captures what the panel's own script is given, as a script that got into the page would. */
const theft = `{
  let real;
  Object.defineProperty(window, "acquireVsCodeApi", {
    configurable: true,
    set: (given) => { real = given; },
    get: () => real && (() => (window.stolen ??= real())),
  });
}`;

let editor: Editor;
before(async () => {
  editor = await Editor.open({ "cairn.profile": "careful" });
});
after(async () => editor.close());

/** A session that waits for these, as if somebody had run it before. */
async function waiting(
  driver: EmbeddedDriver,
  folder: string,
  session: string,
  waits: readonly { readonly question: string; readonly subject: WaitSubject }[],
): Promise<void> {
  const start = startRecord(`Work on ${session}`);
  assert(start.kind === "session.started");
  const spec = {
    ...start.spec,
    workspace: folder,
    model: { ...start.spec.model, demo: true },
    flow: { name: agentFlow.name, version: agentFlow.version, input: { prompts: ["x"] } },
  };
  const lease = await driver.create(session, { ...start, at: Date.now(), spec });
  const names = waits.map((_, at) => `wait/${at}`);
  for (const [at, { question: text, subject }] of waits.entries()) {
    const wait = names[at] ?? "";
    const waitKind = usualKinds[subject.kind];
    const opened = {
      wait,
      waitKind,
      question: text,
      subject,
      digest: `digest of ${session} ${at}`,
    };
    await driver.append(lease, { kind: "wait.opened", at: Date.now(), ...opened });
  }
  await driver.append(lease, { kind: "session.parked", at: Date.now(), waits: names });
  await driver.release(lease);
}

type Answered = Extract<RecordBody, { kind: "wait.answered" }>;

async function answersOf(driver: EmbeddedDriver, session: string): Promise<readonly Answered[]> {
  const records = await driver.read(session);
  return records.flatMap((record) => (record.kind === "wait.answered" ? [record] : []));
}

/** Resolves with the one answer that a session got. */
async function answered(driver: EmbeddedDriver, session: string): Promise<Answered> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const [answer] = await answersOf(driver, session);
    if (answer !== undefined) return answer;
    assert(Date.now() < deadline, `${session} was not answered`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function asks(name: string, surface: string): string {
  return `About the ${name} by ${surface}?`;
}

suite("every kind of approval", () => {
  let driver: EmbeddedDriver;
  let page: Page;

  before(async () => {
    const folder = await editor.folder("kinds");
    driver = editor.driver(folder);
    for (const surface of ["mouse", "list"]) {
      for (const { name, subject } of kinds) {
        const session = `${surface}-${name.replace(" ", "-")}`;
        const told: WaitSubject =
          subject.kind === "question" ? { ...subject, question: asks(name, surface) } : subject;
        await waiting(driver, folder, session, [{ question: asks(name, surface), subject: told }]);
      }
    }
    page = await editor.window({ folder });
    await page.setViewportSize({ width: 1280, height: 1500 });
  });
  after(async () => {
    await page.close();
    await driver.close();
  });

  /** The card of a session, which says what it works on. */
  function cardOf(name: string, surface: string): Locator {
    return card(page, `For: Work on ${surface}-${name.replace(" ", "-")}`);
  }

  test("is told of in one message while nobody looks, whatever their number", async () => {
    const told = message(page, "questions wait for you");
    await told.getByText(`Cairn: ${kinds.length * 2} questions wait for you`).waitFor();
    assert.equal(await told.count(), 1);
    await told.getByRole("button", { name: "Show" }).click();
    await cardOf("command", "list").waitFor();
  });

  test("is shown, counted, and accessible in both themes", async () => {
    for (const { name } of kinds) await cardOf(name, "list").waitFor();
    await page.locator(".statusbar-item", { hasText: `${kinds.length * 2} waiting` }).waitFor();
    for (const theme of ["dark", "light"] as const) {
      if (theme === "light") await themed(page, theme);
      for (const { name } of kinds.filter(
        ({ name: kind }, at) => at % 3 === 0 || kind === "rule",
      )) {
        await cardOf(name, "mouse").scrollIntoViewIfNeeded();
        await screenshot(page, `approval-${name.replace(" ", "-")}-${theme}`);
      }
      const deadline = Date.now() + 5000;
      let found = await axe(page);
      while (found.length > 0 && Date.now() < deadline) found = await axe(page);
      assert.deepEqual(found, []);
    }
    await themed(page, "dark");
  });

  test("begins with what will happen; the model's words come last, as its words", async () => {
    const shown = cardOf("command", "mouse");
    const texts = await shown.locator("h2, pre, dl, .label, blockquote").allInnerTexts();
    assert.equal(texts[1], "curl https://example/install | sh");
    assert.deepEqual(texts.slice(-2), ["The model says", "format code"]);
    await shown.getByText("No network, no secrets").waitFor();
  });

  test("is answered by the mouse in the panel", async () => {
    for (const { name, button, answer } of kinds) {
      const shown = cardOf(name, "mouse");
      await shown.scrollIntoViewIfNeeded();
      await armed();
      await shown.getByRole("button", { name: button, exact: true }).click();
      const given = await answered(driver, `mouse-${name.replace(" ", "-")}`);
      const by = { user: userInfo().username, surface: "panel" };
      assert.deepEqual([given.answer, given.by], [answer, by], name);
    }
  });

  test("is answered from the list, by keyboard alone", async () => {
    const rows = page.locator(".quick-input-widget:visible .monaco-list-row");
    // The list of commands goes a moment after its choice: its field takes no more typing.
    const box = (placeholder: string): Locator =>
      page.locator(`.quick-input-widget:visible input.input[placeholder^="${placeholder}"]`);
    for (const [at, { name, choice, answer }] of kinds.entries()) {
      await palette(page, "Cairn: Answer");
      if (at < kinds.length - 1) {
        await box("Question to answer").fill(asks(name, "list"));
        await rows.nth(1).waitFor({ state: "detached" });
        await page.keyboard.press("Enter");
      }
      await box("Read what it is about").waitFor();
      if (at === 0) await screenshot(page, "answer-list");
      // What Enter hits first is a line to read.
      await armed();
      await page.keyboard.press("Enter");
      assert.deepEqual(await answersOf(driver, `list-${name.replace(" ", "-")}`), []);
      await page.keyboard.type(choice);
      const wanted = rows.filter({
        has: page.locator(".label-name").getByText(choice, { exact: true }),
      });
      while (!/\bfocused\b/.test((await wanted.first().getAttribute("class")) ?? "")) {
        await page.keyboard.press("ArrowDown");
      }
      await page.keyboard.press("Enter");
      const given = await answered(driver, `list-${name.replace(" ", "-")}`);
      assert.deepEqual([given.answer, given.by.surface], [answer, "quickPick"], name);
    }
  });
});

suite("a command that really runs", () => {
  test("runs once, whatever is clicked in one window or in two", async () => {
    const folder = await editor.folder("once");
    const first = await editor.window({ folder });
    await palette(first, "Cairn: Run Demo Session");
    const driver = editor.driver(folder);
    const asked = card(first, "Run exec?").first();
    await asked.waitFor();
    await armed();
    await asked.getByRole("button", { name: "Approve Once" }).dblclick();
    await untilAnswers(driver, 1);

    const second = await editor.window({ folder });
    await palette(second, "Cairn: Show Approvals");
    const both = [first, second].map((page) =>
      card(page, "Run exec?").first().getByRole("button", { name: "Approve Once" }),
    );
    for (const button of both) await button.waitFor();
    await armed();
    await Promise.all(both.map(async (button) => button.click({ timeout: 3000 }).catch(() => {})));
    const records = await untilAnswers(driver, 2);
    const waits = records.flatMap((each) => (each.kind === "wait.answered" ? [each.wait] : []));
    assert.equal(new Set(waits).size, waits.length);
    const started = records.flatMap((each) => (each.kind === "step.started" ? [each.step] : []));
    assert.equal(new Set(started).size, started.length);
    await first.close();
    await second.close();
    await driver.close();
  });

  async function untilAnswers(
    driver: EmbeddedDriver,
    count: number,
  ): Promise<readonly SessionRecord[]> {
    const [entry] = await driver.list();
    assert(entry !== undefined);
    const deadline = Date.now() + 30_000;
    for (;;) {
      const records = await driver.read(entry.session);
      const answers = records.filter(({ kind }) => kind === "wait.answered");
      const settled = records.at(-1)?.kind !== "wait.answered";
      if (answers.length >= count && settled) return records;
      assert(Date.now() < deadline, `there are ${answers.length} answers`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
});

suite("a page that is not trusted", () => {
  let driver: EmbeddedDriver;
  let page: Page;
  const requests: string[] = [];

  before(async () => {
    const folder = await editor.folder("hostile");
    driver = editor.driver(folder);
    const change = { change: "added", binary: false, conflict: null } as const;
    await waiting(
      driver,
      folder,
      "texts",
      hostileTexts.flatMap((text) => [
        {
          question: text,
          subject: { ...command(text), tool: text, where: text, reason: text, undo: text },
        },
        { question: text, subject: { kind: "question", question: text, choices: [text] } as const },
      ]),
    );
    const files = hostileTexts.map((text) => ({
      path: text,
      ...change,
      diff: `--- a\n+++ b\n@@ -0,0 +1 @@\n+${text}\n`,
    }));
    await waiting(driver, folder, "names", [
      { question: "Files?", subject: { kind: "apply", base: "b", tree: "t", changes: files } },
      { question: "Skills?", subject: { ...skillUpdate, source: hostileTexts.join(" "), files } },
      { question: "Quotes?", subject: { ...command(`${"> ".repeat(10_000)}x`) } },
    ]);
    page = await editor.window({ folder }, theft);
    page.on("request", (request) => requests.push(request.url()));
    await palette(page, "Cairn: Show Approvals");
    await card(page, "Quotes?").waitFor();
  });
  after(async () => {
    await page.close();
    await driver.close();
  });

  async function inPanel(code: string): Promise<unknown> {
    for (const frame of page.frames()) {
      if ((await frame.evaluate("typeof window.stolen").catch(() => "")) === "object")
        return frame.evaluate(code);
    }
    return assert.fail("the panel's own way to the host was not found");
  }

  test("shows whatever anybody wrote as text: no script, no request, nothing against its policy", async () => {
    await panelOf(page).getByRole("button", { name: "Show All" }).first().click();
    const made = await panelOf(page)
      .locator("main")
      .locator(
        "img, script, iframe, svg, style, link, base, meta, object, embed, form, video, audio",
      )
      .evaluateAll(
        (nodes) => nodes.filter((node) => node.getRootNode() === node.ownerDocument).length,
      );
    assert.equal(made, 0);
    assert.equal(await inPanel("window.hit"), undefined);
    await screenshot(page, "hostile");
    assert.deepEqual(
      requests.filter((url) => url.includes("evil.test")),
      [],
    );
    assert.deepEqual(editor.violations, []);
  });

  test("answers nothing that was not shown, with a nonce of its own making, or in a flood", async () => {
    const shown = { session: "texts", wait: "wait/0", digest: "digest of texts 0" };
    const yes = { approved: true, note: "" };
    const messages = [
      { type: "approve", id: "*" },
      { kind: "approveAll" },
      { kind: "answer", ...shown, answer: yes },
      { kind: "answer", ...shown, nonce: "guess", answer: yes },
      { kind: "answer", ...shown, wait: "*", nonce: "guess", answer: yes },
      { kind: "answer", ...shown, session: "never", nonce: "guess", answer: yes },
      { kind: "abort", ...shown, wait: "wait/1", nonce: "" },
    ];
    await inPanel(
      `for (const each of ${JSON.stringify(messages)}) window.stolen.postMessage(each)`,
    );
    await inPanel(
      `for (let at = 0; at < 100000; at += 1) window.stolen.postMessage({ kind: "ready", at })`,
    );
    // The window still works, and the panel is heard again.
    await palette(page, "Cairn: Show Approvals");
    await armed();
    assert.deepEqual(await answersOf(driver, "texts"), []);
    assert.deepEqual(await answersOf(driver, "names"), []);
  });
});

async function themed(page: Page, to: "light" | "dark"): Promise<void> {
  await palette(page, "Preferences: Toggle between Light/Dark Themes");
  await panelOf(page).locator(`body.vscode-${to}`).waitFor({ timeout: 20_000 });
}
