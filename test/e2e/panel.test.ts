import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, suite, test } from "node:test";
import type { Browser, Locator, Page } from "playwright-core";
import type { WaitSubject } from "../../src/core/records.ts";
import { fromPanel, type PanelWait, type ToPanel } from "../../src/protocol.ts";
import { root } from "../harness/root.ts";
import { launchBrowser } from "../vscode/browser.ts";

const address = "http://panel.test/";
const html = `<!doctype html><html lang="en"><title>Approvals</title>
<link rel="stylesheet" href="panel.css"><body><script src="webview.js"></script></body></html>`;

/** Stands in for the editor: keeps what the panel says. */
const editor = `window.sent = [];
  window.acquireVsCodeApi = () => ({ postMessage: (message) => window.sent.push(message) });`;

const apply: WaitSubject = {
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
const command = (what: string): WaitSubject => ({
  kind: "tool",
  tool: "exec",
  args: { command: what },
  what,
  where: "the embedded sandbox",
  reason: "I only list files.",
});
const question: WaitSubject = { kind: "question", question: "Which one?", choices: ["A", "B"] };
const inDoubt: WaitSubject = {
  kind: "inDoubt",
  what: "write a.txt",
  startedAt: 0,
  operation: "op",
};

function wait(name: string, subject: WaitSubject, digest = `digest of ${name}`): PanelWait {
  return {
    goal: "Mend the test",
    status: "waiting",
    record: {
      kind: "wait.opened",
      session: "s1",
      seq: 7,
      at: 0,
      wait: name,
      waitKind: subject.kind === "question" ? "question" : "approval",
      question: `About ${name}?`,
      subject,
      digest,
    },
  };
}

suite("the approvals panel", () => {
  let browser: Browser;
  let page: Page;

  before(async () => {
    browser = await launchBrowser();
    page = await browser.newPage();
    await page.addInitScript(editor);
    await page.route(`${address}**`, async (route) => {
      const name = new URL(route.request().url()).pathname.slice(1);
      if (name === "") await route.fulfill({ contentType: "text/html", body: html });
      else await route.fulfill({ path: join(root, "dist", name) });
    });
    await page.clock.install({ time: 0 });
  });
  after(async () => browser.close());
  beforeEach(async () => {
    await page.goto(address);
    await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1000);
  });

  async function tell(message: ToPanel): Promise<void> {
    const data = JSON.stringify(message);
    await page.evaluate(`window.dispatchEvent(new MessageEvent("message", { data: ${data} }))`);
  }

  async function show(...waits: readonly PanelWait[]): Promise<void> {
    await tell({ kind: "waits", waits, focus: true });
  }

  async function armed(): Promise<void> {
    await page.clock.runFor(500);
  }

  async function answers(): Promise<readonly unknown[]> {
    const sent: unknown[] = await page.evaluate("window.sent");
    return sent.flatMap((raw) => {
      const message = fromPanel.parse(raw);
      return message.kind === "answer" ? [message.answer] : [];
    });
  }

  function button(name: string): Locator {
    return page.getByRole("button", { name, exact: true });
  }

  test("a card that has just appeared takes no answer, and one half a second old does", async () => {
    await show(wait("one", command("ls")));
    await button("Approve").click();
    await page.keyboard.press("Control+Enter");
    await page.clock.runFor(499);
    await button("Approve").click();
    assert.deepEqual(await answers(), []);
    await page.clock.runFor(1);
    await button("Approve").click();
    assert.deepEqual(await answers(), [{ approved: true, note: "" }]);
  });

  test("a card that moved because another one appeared is new again", async () => {
    await show(wait("one", command("ls")));
    await armed();
    await show(wait("one", command("ls")), wait("two", command("rm x")));
    await button("Approve").first().click();
    assert.deepEqual(await answers(), []);
  });

  test("a second click sends nothing more", async () => {
    await show(wait("one", command("ls")));
    await armed();
    await page.keyboard.press("Control+Enter");
    await page.keyboard.press("Control+Enter");
    await button("Approve").click({ force: true });
    assert.equal((await answers()).length, 1);
  });

  test("the chord approves the focused card, and rejects from the field for the reason", async () => {
    await show(wait("one", command("ls")), wait("two", apply));
    await armed();
    await page.keyboard.press("Control+Enter");
    const second = page.getByRole("article").nth(1);
    await second.getByRole("textbox").fill("not now");
    await page.keyboard.press("Control+Enter");
    assert.deepEqual(await answers(), [
      { approved: true, note: "" },
      { approved: false, note: "not now" },
    ]);
  });

  test("Enter alone approves nothing, and Escape leaves the card", async () => {
    await show(wait("one", command("ls")));
    await armed();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+Enter");
    assert.deepEqual(await answers(), []);
  });

  test("a question takes a choice, or the person's own words", async () => {
    await show(wait("one", question), wait("two", question));
    await armed();
    await button("B").first().click();
    const second = page.getByRole("article").nth(1);
    await second.getByRole("button", { name: "Answer" }).click();
    await page.keyboard.type("neither");
    await second.getByRole("button", { name: "Answer" }).click();
    assert.deepEqual(await answers(), ["B", "neither"]);
  });

  test("an act in doubt has no chord and no default", async () => {
    await show(wait("one", inDoubt));
    await armed();
    await page.keyboard.press("Control+Enter");
    assert.deepEqual(await answers(), []);
    await button("Do Not Repeat").click();
    assert.deepEqual(await answers(), [{ approved: false, note: "" }]);
  });

  test("what cannot be seen is shown as its code", async () => {
    await show(wait("one", command("echo \u202Egpj.sh\u202C a\u00A0b\u200B\u0007\r\nnext\tend")));
    const shown = await page.getByLabel("What will run").textContent();
    assert.equal(
      shown,
      "echo ⟨U+202E⟩gpj.sh⟨U+202C⟩ a⟨U+00A0⟩b⟨U+200B⟩⟨U+0007⟩⟨U+000D⟩\nnext\tend",
    );
  });

  test("nothing in a record becomes HTML", async () => {
    await show(wait("<img src=x>", command("<script>window.sent.push(1)</script><b>x</b>")));
    assert.equal(await page.locator("article img, article script, article b").count(), 0);
  });

  test("an apply shows the real diff of every file, and apart what stays as it is", async () => {
    await show(wait("one", apply));
    const file = page.locator("details", { hasText: "src/a.sh" });
    assert.equal(await file.locator(".added").textContent(), "+2");
    assert.equal(await file.locator(".removed").textContent(), "−1");
    assert.deepEqual(await file.locator("del, ins").allTextContents(), [
      "--- dashes",
      "+one",
      "+two",
    ]);
    await page.getByText("A binary file").waitFor();
    assert.deepEqual(await page.locator(".conflicts li").allTextContents(), [
      "mine.txtYou changed it since the session began.",
    ]);
  });

  test("a refused answer says why, and stays until it was read", async () => {
    await show(wait("one", command("ls")));
    await armed();
    await button("Approve").click();
    const sentence = "one was answered already by ann (cli). The first answer counts.";
    await tell({ kind: "refused", session: "s1", wait: "one", sentence });
    await tell({ kind: "waits", waits: [], focus: false });
    assert.equal(await page.getByRole("alert").textContent(), sentence);
    assert.equal(await button("Approve").count(), 0);
    await button("Dismiss").click();
    await page.getByText("Nothing waits for you.").waitFor();
  });

  test("an answer that is refused after its wait has gone brings the card back", async () => {
    await show(wait("one", command("ls")));
    await armed();
    await button("Approve").click();
    await tell({ kind: "waits", waits: [], focus: false });
    await tell({ kind: "refused", session: "s1", wait: "one", sentence: "Ann was first." });
    assert.equal(await page.getByRole("alert").textContent(), "Ann was first.");
    assert.equal(await button("Approve").count(), 0);
  });

  test("what was typed survives when another card comes or goes", async () => {
    await show(wait("one", command("ls")), wait("two", question));
    await page.getByRole("textbox", { name: "Or in your own words" }).fill("half a");
    await show(wait("two", question));
    assert.equal(
      await page.getByRole("textbox", { name: "Or in your own words" }).inputValue(),
      "half a",
    );
  });

  test("a wait that changed is a new card", async () => {
    await show(wait("one", command("ls")));
    await show(wait("one", command("rm -rf ."), "another digest"));
    assert.equal(await page.getByLabel("What will run").textContent(), "rm -rf .");
  });

  test("axe finds nothing wrong with any kind of card", async () => {
    const axe = await readFile(join(root, "node_modules/axe-core/axe.min.js"), "utf8");
    await show(
      wait("one", command("ls")),
      wait("two", question),
      wait("three", apply),
      wait("four", inDoubt),
      wait("five", { ...question, choices: [] }),
    );
    await page.evaluate(axe);
    await armed();
    await page.clock.resume();
    // There is no theme here; contrast is judged in the editor, where the colours are.
    const rules = '{ rules: { "color-contrast": { enabled: false } } }';
    const found: unknown = await page.evaluate(
      `axe.run(${rules}).then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))`,
    );
    assert.deepEqual(found, []);
  });
});
