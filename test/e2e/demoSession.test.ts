import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { Page } from "playwright-core";
import type { SessionRecord } from "../../src/core/records.ts";
import { palette, screenshot } from "../vscode/browser.ts";
import { armed, axe, card, Editor, message, panelOf } from "./editor.ts";

let editor: Editor;
before(async () => {
  editor = await Editor.open();
});
after(async () => editor.close());

suite("the demo session", () => {
  let folder: string;
  let page: Page;

  before(async () => {
    folder = await editor.folder("demo");
    page = await editor.window({ folder });
  });
  after(async () => page.close());

  async function script(): Promise<string> {
    return readFile(join(folder, "total.sh"), "utf8");
  }

  test("opening the folder starts nothing, and the panel says what to do", async () => {
    await palette(page, "Cairn: Show Approvals");
    await panelOf(page).getByText("Nothing waits for you.").waitFor();
    await page.getByText("The demo needs no key and no network.").waitFor();
    assert.equal(existsSync(join(folder, ".cairn")), false);
    await screenshot(page, "empty");
  });

  test("runs from the palette up to its question, which is accessible", async () => {
    await palette(page, "Cairn: Run Demo Session");
    await card(page, "The row `lamp`").waitFor();
    await page.locator(".statusbar-item", { hasText: "1 waiting" }).waitFor();
    await screenshot(page, "question");
    assert.deepEqual(await axe(page), []);
  });

  test("is answered and approved by keyboard alone, and only then the file changes", async () => {
    const untouched = await script();
    await armed();
    for (const _ of ["the link to the replay", "the first choice"])
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    const apply = card(page, "Apply 1 change to your folder?");
    await apply.locator("ins", { hasText: "NR > 1" }).waitFor();
    await screenshot(page, "apply");
    assert.deepEqual(await axe(page), []);
    assert.equal(await script(), untouched);
    await armed();
    await page.keyboard.press("Control+Enter");
    await message(page, "Cairn finished").waitFor();
    assert.match(await script(), /NR > 1/);
    await panelOf(page).getByText("Nothing waits for you.").waitFor();
  });

  test("its replay opens in the editor, and a file opens as it was at a step", async () => {
    await message(page, "Cairn finished").getByRole("button", { name: "Replay" }).click();
    const lenses = page.locator(".codelens-decoration a", { hasText: "Files at this step" });
    await lenses.first().waitFor();
    await screenshot(page, "replay");
    await lenses.first().click();
    const list = page.locator(".quick-input-list .monaco-list-row");
    await list.filter({ hasText: "total.sh" }).click();
    await page.locator(".tab.active", { hasText: "total.sh" }).waitFor();
    await page.locator(".view-lines", { hasText: "NR > 2" }).waitFor();
    await screenshot(page, "file-at-step");
  });

  test("a file of a step is compared with the one in the folder now", async () => {
    await page.locator(".tab", { hasText: "Replay" }).click();
    await page.locator(".codelens-decoration a", { hasText: "Diff to now" }).first().click();
    const list = page.locator(".quick-input-list .monaco-list-row");
    await list.filter({ hasText: "total.sh" }).click();
    await page.locator(".tab.active", { hasText: "step ↔ now" }).waitFor();
    await page.locator(".editor.modified .view-lines", { hasText: "NR > 1" }).waitFor();
    await screenshot(page, "diff-to-now");
  });

  test("two of its steps are compared", async () => {
    await page.locator(".tab", { hasText: "Replay" }).click();
    const lens = page.locator(".codelens-decoration a", { hasText: "Diff to another step" });
    await lens.first().click();
    const list = page.locator(".quick-input-list .monaco-list-row");
    await list.first().waitFor();
    await page.keyboard.type("the same test again");
    await list.filter({ hasText: "Now the same test again" }).click();
    await list.filter({ hasText: "total.sh" }).click();
    await page.locator(".tab.active", { hasText: "total.sh (turn/1" }).waitFor();
    await page.locator(".editor.modified .view-lines", { hasText: "NR > 1" }).waitFor();
    await screenshot(page, "diff-steps");
  });

  test("its apply is taken back after an approval, and the file is as it was", async () => {
    await undoLast(page);
    const undo = card(page, "Take back 1 change in your folder?");
    await undo.locator("ins", { hasText: "NR > 2" }).waitFor();
    await screenshot(page, "undo");
    assert.match(await script(), /NR > 1/);
    await armed();
    await undo.getByRole("button", { name: "Approve" }).click();
    await panelOf(page).getByText("Nothing waits for you.").waitFor();
    assert.match(await script(), /NR > 2/);
  });

  test("the walls of its sandbox are tried and shown", async () => {
    await palette(page, "Cairn: Show Sandbox Policy");
    await page.locator(".tab.active", { hasText: "Sandbox Policy" }).waitFor();
    await page.locator(".view-lines", { hasText: "0 broken." }).waitFor();
    await screenshot(page, "policy");
  });

  test("its turns and calls are in the tree of sessions", async () => {
    const rows = page.locator(".pane", { hasText: "Sessions" }).locator(".monaco-list-row");
    await rows.filter({ hasText: "The test in this folder" }).click();
    await rows.filter({ hasText: "Turn 1" }).click();
    await rows.filter({ hasText: "bash test.sh" }).waitFor();
    await screenshot(page, "tree");
  });

  test("nothing in any window was against its content security policy", () => {
    assert.deepEqual(editor.violations, []);
  });
});

suite("an extension host that is killed while an approval is open", () => {
  let folder: string;
  let page: Page;

  before(async () => {
    folder = await editor.folder("killed");
    page = await editor.window({ folder });
    await palette(page, "Cairn: Run Demo Session");
    await card(page, "The row `lamp`").waitFor();
  });
  after(async () => page.close());

  test("comes back by itself with the question, which is answered", async () => {
    killExtensionHosts();
    await page.locator("iframe.webview").waitFor({ state: "detached" });
    await palette(page, "Cairn: Show Approvals");
    const question = card(page, "The row `lamp`");
    await question.waitFor();
    await armed();
    await question.getByRole("button", { name: "Count it as 0" }).click();
    await card(page, "Apply 1 change to your folder?").waitFor();
  });

  test("and after a reload of the window with the apply, which is approved", async () => {
    killExtensionHosts();
    await page.reload();
    await palette(page, "Cairn: Show Approvals");
    const apply = card(page, "Apply 1 change to your folder?");
    await apply.waitFor();
    await armed();
    await apply.getByRole("button", { name: "Approve" }).click();
    await message(page, "Cairn finished").waitFor();
    assert.match(await readFile(join(folder, "total.sh"), "utf8"), /NR > 1/);
  });

  test("takes back what was changed by hand since only after a card of its own, and brings it back by undoing once more", async () => {
    const path = join(folder, "total.sh");
    const mine = `${await readFile(path, "utf8")}# my own line\n`;
    await writeFile(path, mine);
    await undoLast(page);
    const conflict = card(page, "Replace total.sh, which you changed since the apply?");
    await conflict.locator("del", { hasText: "# my own line" }).waitFor();
    await conflict.locator("ins", { hasText: "NR > 2" }).waitFor();
    await screenshot(page, "restore-conflict");
    assert.deepEqual(await axe(page), []);
    assert.equal(await readFile(path, "utf8"), mine);
    await armed();
    await conflict.getByRole("button", { name: "Approve" }).click();
    await panelOf(page).getByText("Nothing waits for you.").waitFor();
    assert.match(await readFile(path, "utf8"), /NR > 2/);

    await undoLast(page);
    const back = card(page, "Take back what the undo did to 1 file of yours?");
    await back.locator("ins", { hasText: "# my own line" }).waitFor();
    await armed();
    await back.getByRole("button", { name: "Approve" }).click();
    await panelOf(page).getByText("Nothing waits for you.").waitFor();
    assert.equal(await readFile(path, "utf8"), mine);
  });

  test("repeats no model call and no command", async () => {
    const records = await editor.records(folder);
    assert.deepEqual(repeated(records, "step.completed"), []);
    assert.deepEqual(repeated(records, "step.started"), []);
    assert.equal(records.at(-1)?.kind, "session.ended");
  });
});

suite("a second window on the same folder", () => {
  test("shows the wait, and an answer that comes too late is told so", async () => {
    const folder = await editor.folder("shared");
    const first = await editor.window({ folder });
    await palette(first, "Cairn: Run Demo Session");
    const question = card(first, "The row `lamp`");
    await question.waitFor();
    const others = editor.extensionHosts();
    const second = await editor.window({ folder });
    await palette(second, "Cairn: Show Approvals");
    const late = card(second, "The row `lamp`");
    await late.waitFor();
    await armed();

    // Whatever the second window hears in the meantime, it hears after its person has answered.
    const host = editor.extensionHosts().find((pid) => !others.includes(pid));
    assert(host !== undefined, "the second window has no extension host");
    process.kill(host, "SIGSTOP");
    await late.getByRole("button", { name: "Skip it and say so" }).click();
    await question.getByRole("button", { name: "Count it as 0" }).click();
    await card(first, "Apply 1 change to your folder?").waitFor();
    process.kill(host, "SIGCONT");

    const refused = panelOf(second).getByRole("alert").filter({ hasText: "already answered by" });
    await refused.waitFor();
    await card(second, "Apply 1 change to your folder?").waitFor();
    await screenshot(second, "late");
    const answers = (await editor.records(folder)).filter(({ kind }) => kind === "wait.answered");
    assert.equal(answers.length, 1);
  });
});

async function undoLast(page: Page): Promise<void> {
  await palette(page, "Cairn: Undo Last Apply");
  await page.locator(".quick-input-list .monaco-list-row", { hasText: "completed" }).click();
}

function killExtensionHosts(): void {
  const hosts = editor.extensionHosts();
  assert(hosts.length > 0, "there is no extension host to kill");
  for (const pid of hosts) process.kill(pid, "SIGKILL");
}

/** Steps that are on record more than once. */
function repeated(
  records: readonly SessionRecord[],
  kind: SessionRecord["kind"],
): readonly string[] {
  const steps = records.flatMap((record) =>
    record.kind === kind && "step" in record ? [record.step] : [],
  );
  return steps.filter((step, place) => steps.indexOf(step) !== place);
}
