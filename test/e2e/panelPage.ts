import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import type { WaitKind } from "../../src/core/records.ts";
import type { WaitSubject } from "../../src/core/waitSubject.ts";
import { folderRules, type Rule } from "../../src/core/rule.ts";
import { ruleQuestion } from "../../src/core/ruleQuestion.ts";
import { ruleNews } from "../../src/core/ruleNews.ts";
import { fromPanel, type PanelWait, type ToPanel } from "../../src/protocol.ts";
import { anyPlace } from "../contracts/records.ts";
import { root } from "../harness/root.ts";
import { launchBrowser } from "../vscode/browser.ts";

type Subject<Kind> = Extract<WaitSubject, { kind: Kind }>;

const address = "http://panel.test/";
const html = `<!doctype html><html lang="en"><title>Approvals</title>
<link rel="stylesheet" href="panel.css"><body><script src="webview.js"></script></body></html>`;

/** Stands in for the editor: keeps what the panel says. */
const editor = `window.sent = [];
  window.acquireVsCodeApi = () => ({ postMessage: (message) => window.sent.push(message) });`;

export const apply: WaitSubject = {
  kind: "apply",
  base: "b",
  tree: "t",
  changes: [
    {
      path: "src/a.sh",
      change: "modified",
      binary: false,
      conflict: null,
      diff: "--- a/src/a.sh\n+++ b/src/a.sh\n@@ -1,2 +1,3 @@\n same\n--- dashes\n+one\n+two\n",
    },
    { path: "logo.png", change: "added", binary: true, conflict: null, diff: null },
    {
      path: "mine.txt",
      change: "modified",
      binary: false,
      conflict: "You changed it since the session began.",
      diff: "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n",
    },
  ],
};
export const command = (what: string): Subject<"tool"> => ({
  kind: "tool",
  tool: "exec",
  args: { command: what },
  what,
  where: "the embedded sandbox",
  reason: "I only list files.",
});
export const question: Subject<"question"> = {
  kind: "question",
  question: "Which one?",
  choices: ["A", "B"],
};
export const inDoubt: Subject<"inDoubt"> = {
  kind: "inDoubt",
  what: "write a.txt",
  startedAt: 0,
  operation: "op",
  sent: ["a.txt"],
  observed: "1 of 1 file is there.",
  seen: "happened",
};
export const budget: WaitSubject = {
  kind: "budget",
  budget: "tokens",
  limit: 1000,
  used: 1204,
  add: 1000,
  next: "another request to the model",
};
export const form: WaitSubject = {
  kind: "form",
  about: { files: 3 },
  schema: { type: "object", properties: { name: { type: "string" } } },
};

export const image: WaitSubject = {
  kind: "image",
  image: "cairn-dev:1",
  identity: "build:abc",
  file: ".devcontainer/devcontainer.json",
  dockerfile: "RUN <img src=x>",
  context: "3 files go into the build.",
  env: {},
  commands: [{ name: "one", command: "<b>make</b>" }],
  refused: ["initializeCommand: it never runs."],
};

export const egress: WaitSubject = {
  kind: "egress",
  method: "POST",
  url: "https://api.example/v1/items?draft=true",
  host: "api.example",
  rule: null,
  command: "npm run send",
  proxy: { name: "api", hosts: ["api.example"], methods: ["POST"], paths: ["/v1/items"] },
  ready: {
    proxy: { name: "npm-api", hosts: ["api.example"], methods: ["GET", "HEAD"], paths: ["/"] },
    from: "your npm configuration",
    whose: "user",
  },
};
const githubIssue = {
  action: "create",
  title: "Mend the sum",
  body: "One line.\nAnother one.",
};
export const service: Subject<"tool"> = {
  kind: "tool",
  tool: "exec_service",
  args: { service: "github_issue", args: githubIssue },
  what: "github_issue: create an issue in cairn/demo",
  where: "this machine, outside the sandbox",
  reason: "",
  action: {
    session: "s",
    tool: "exec_service",
    risk: "R3",
    args: "digest",
    paths: [],
    service: { service: "github_issue", args: githubIssue },
    place: { ...anyPlace, secrets: ["GITHUB_TOKEN"] },
  },
};
export const skillUpdate: Subject<"skillUpdate"> = {
  kind: "skillUpdate",
  source: "git+https://example/skills.git#main",
  from: "1a2b3c",
  to: "4d5e6f",
  files: [
    {
      path: "release/SKILL.md",
      change: "modified",
      binary: false,
      conflict: null,
      diff: "--- a\n+++ b\n@@ -1 +1 @@\n-Ask first.\n+Never ask.\n",
    },
  ],
};
const denies = (id: string, ...words: readonly string[]): Rule => ({
  id,
  decision: "deny",
  tool: "exec",
  command: { words: [...words], more: true },
});
/** As Cairn makes it of a session's own change. */
export const rule: WaitSubject = ruleQuestion({
  base: "b",
  tree: "t",
  isUndo: false,
  change: {
    path: folderRules,
    change: "modified",
    binary: false,
    conflict: null,
    guard: "it holds what agents may not do in this folder",
    diff: `--- a/${folderRules}\n+++ b/${folderRules}\n@@ -1,3 +1,3 @@\n {"rules": [\n-{"id": "no-push", "decision": "deny", "tool": "exec", "command": {"words": ["git", "push"], "more": true}}\n+{"id": "no-curl", "decision": "deny", "tool": "exec", "command": {"words": ["curl"], "more": true}}\n ]}\n`,
    rules: ruleNews(
      { rules: [denies("no-push", "git", "push")] },
      { rules: [denies("no-curl", "curl")] },
    ),
  },
}).subject;
export const restoreConflict = {
  kind: "restoreConflict",
  path: "notes.md",
  yours: "changed by you after the session began",
  theirs: "as it was at turn 2",
  diff: "--- a\n+++ b\n@@ -1 +1 @@\n-mine\n+older\n",
} satisfies WaitSubject;

export const usualKinds: Readonly<Record<WaitSubject["kind"], WaitKind>> = {
  tool: "approval",
  apply: "approval",
  question: "text",
  inDoubt: "inDoubt",
  budget: "budget",
  form: "schema",
  image: "approval",
  egress: "approval",
  skillUpdate: "approval",
  rule: "approval",
  restoreConflict: "approval",
};

/** A wait as the host would send it. */
export function wait(
  name: string,
  subject: WaitSubject,
  change: Partial<PanelWait["record"]> = {},
): PanelWait {
  return {
    goal: "Mend the test",
    nonce: `nonce of ${name}`,
    facts: null,
    amounts: null,
    leftMs: null,
    record: {
      kind: "wait.opened",
      session: "s1",
      seq: 7,
      at: 0,
      wait: name,
      waitKind: usualKinds[subject.kind],
      question: `About ${name}?`,
      subject,
      digest: `digest of ${name}`,
      ...change,
    },
  };
}

/** The panel's page in a browser, with something that stands for the editor. */
export class PanelPage {
  readonly page: Page;
  readonly #browser: Browser;

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.page = page;
  }

  static async open(): Promise<PanelPage> {
    const browser = await launchBrowser();
    const page = await browser.newPage();
    await page.addInitScript(editor);
    await page.route(`${address}**`, async (route) => {
      const name = new URL(route.request().url()).pathname.slice(1);
      if (name === "") await route.fulfill({ contentType: "text/html", body: html });
      else await route.fulfill({ path: join(root, "dist", name) });
    });
    await page.clock.install({ time: 0 });
    return new PanelPage(browser, page);
  }

  /** A new page, with a clock that stands still. */
  async reset(): Promise<void> {
    await this.page.goto(address);
    await this.page.clock.pauseAt((await this.page.evaluate(() => Date.now())) + 1000);
  }

  async tell(message: ToPanel): Promise<void> {
    const data = JSON.stringify(message);
    await this.page.evaluate(
      `window.dispatchEvent(new MessageEvent("message", { data: ${data} }))`,
    );
  }

  async show(...waits: readonly PanelWait[]): Promise<void> {
    await this.tell({ kind: "waits", waits, focus: true });
  }

  async armed(): Promise<void> {
    await this.page.clock.runFor(500);
  }

  async answers(): Promise<readonly unknown[]> {
    const sent: unknown[] = await this.page.evaluate("window.sent");
    return sent.flatMap((raw) => {
      const message = fromPanel.parse(raw);
      return message.kind === "answer" ? [message.answer] : [];
    });
  }

  button(name: string): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }
}
