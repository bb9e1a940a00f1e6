import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { palette, screenshot } from "../vscode/browser.ts";
import { armed, axe, card, choice, chooseById, Editor, message, panelOf, row } from "./editor.ts";

/** A window that asks before anything else goes on. */
function modal(page: Page): Locator {
  return page.locator(".monaco-dialog-box");
}

function lens(page: Page, title: string): Locator {
  return page.locator(".codelens-decoration a", { hasText: title });
}

/** Chooses a file in the editor's own dialog, once it shows where it would look. */
async function chooseFile(page: Page, path: string): Promise<void> {
  const box = page.locator(".quick-input-widget:visible input.input");
  await page.locator(".quick-input-title", { hasText: /Session$/ }).waitFor();
  await choice(page, "..").first().waitFor();
  await box.fill(path);
  // It takes the path once it has looked into the folder, where the profile lies as well.
  await choice(page, "profile").waitFor();
  await page.keyboard.press("Enter");
}

suite("a session that is stopped by its budget, and what is kept of it", () => {
  let editor: Editor;
  let folder: string;
  let page: Page;
  let first: string;
  let fork: string;
  let bundle: string;

  before(async () => {
    // About a second: whatever has ended is old when somebody looks.
    const retention = { "cairn.retention.days": 0.00001 };
    editor = await Editor.open({ "cairn.budgets": { modelCalls: 3 }, ...retention });
    folder = await editor.folder("kept");
    page = await editor.window({ folder });
  });
  after(async () => editor.close());

  /** Names of the store's files in which a text stands. */
  async function filesWith(text: string): Promise<readonly string[]> {
    const store = join(folder, ".cairn");
    const names = await readdir(store);
    const found = await Promise.all(
      names.map(async (name) => (await readFile(join(store, name))).includes(text)),
    );
    return names.filter((_, place) => found[place] === true);
  }

  test("the budget is asked about on a card that is accessible", async () => {
    await palette(page, "Cairn: Run Demo Session");
    const budget = card(page, "The budget of model calls is used up");
    await budget.waitFor();
    assert.equal(
      (await budget.locator("dt, dd").allTextContents()).join(" "),
      "Used 3 model calls Limit 3 model calls A yes adds 3 model calls Next another request to the model",
    );
    await screenshot(page, "budget");
    assert.deepEqual(await axe(page), []);
  });

  test("by keyboard it is stopped there, and that is one sentence", async () => {
    await armed();
    for (const _ of ["the link to the replay", "Add and Go On", "Stop Here"]) {
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await message(page, /3 model calls used of 3 model calls.*\(budget\.spent\)/).waitFor();
    await row(page, "failed").waitFor();
    await palette(page, "Notifications: Clear All Notifications");
  });

  test("a retry asks again, and by keyboard it goes on", async () => {
    await palette(page, "Cairn: Retry");
    await choice(page, "failed").click();
    await card(page, "The budget of model calls is used up").waitFor();
    await armed();
    await page.keyboard.press("Control+Enter");
    await card(page, "The row `lamp`").waitFor();
    const asked = (await editor.records(folder)).filter(
      (record) => record.kind === "wait.answered",
    );
    assert.deepEqual(
      asked.map(({ answer }) => answer),
      [
        { approved: false, note: "" },
        { approved: true, note: "" },
      ],
    );
  });

  test("a session is cancelled after a question that says what stays", async () => {
    [first = ""] = await editor.sessions(folder);
    await palette(page, "Cairn: Cancel Session");
    await choice(page, "waiting").click();
    await modal(page)
      .getByText("Its records, its replay and the changes in its copy stay")
      .waitFor();
    await screenshot(page, "cancel");
    await modal(page).getByRole("button", { name: "Cancel Session" }).click();
    await row(page, "cancelled").waitFor();
    await panelOf(page).getByText("Nothing waits for you.").waitFor();
  });

  test("a step is explained beside its block of the replay", async () => {
    await palette(page, "Cairn: Replay Session");
    await choice(page, "cancelled").click();
    await lens(page, "Explain").first().click();
    const hover = page.locator(".monaco-hover", { hasText: "there was no record to serve" });
    await hover.first().waitFor();
    await hover.getByText("messages").first().waitFor();
    await screenshot(page, "explain");
    await page.keyboard.press("Escape");
  });

  test("a fork from a lens is a session of its own, and says where it comes from", async () => {
    await lens(page, "Fork from here").first().click();
    await page.locator(".view-lines", { hasText: "Fork of:" }).waitFor();
    await card(page, "The budget of model calls is used up").waitFor();
    [fork = ""] = await editor.sessions(folder);
    assert.notEqual(fork, first);
    const [started] = await editor.records(folder);
    assert(started?.kind === "session.started");
    assert.equal(started.spec.replayOf, first);
    assert.deepEqual(started.spec.derivation?.mode, "fork");
    assert.deepEqual(started.spec.derivation?.at, "turn/1/model");
    await row(page, "fork, waiting").waitFor();
    await screenshot(page, "fork");
  });

  test("the store is verified", async () => {
    await palette(page, "Cairn: Verify Store");
    await message(page, "Everything that is stored in kept is sound.").waitFor();
    await palette(page, "Notifications: Clear All Notifications");
  });

  test("a session is exported into one file, and what was left out is said", async () => {
    bundle = join(editor.place, "exported.cairn.jsonl");
    await palette(page, "Cairn: Export Session");
    await choice(page, "cancelled").click();
    await chooseFile(page, bundle);
    await message(page, /Exported \d+ records and \d+ file versions?\. Nothing in it/).waitFor();
    const [header = ""] = (await readFile(bundle, "utf8")).split("\n");
    assert.match(header, new RegExp(`"session":"${first}"`));
    await palette(page, "Notifications: Clear All Notifications");
  });

  test("a session is deleted after a question, and no byte of it stays", async () => {
    assert.notDeepEqual(await filesWith(fork), []);
    await palette(page, "Cairn: Delete Session");
    await chooseById(page, fork);
    await modal(page).getByText("No byte of its records").waitFor();
    await screenshot(page, "delete");
    await modal(page).getByRole("button", { name: "Delete Session" }).click();
    await row(page, "waiting").waitFor({ state: "detached" });
    assert.deepEqual(await filesWith(fork), []);
    assert.notDeepEqual(await filesWith(first), []);
    assert.equal(existsSync(join(editor.place, "home", "sessions", fork)), false);
    assert.equal(await page.locator(".tab", { hasText: "Replay" }).count(), 1);
    await panelOf(page).getByText("Nothing waits for you.").waitFor();
  });

  test("an exported session is imported elsewhere, to be looked at and no more", async () => {
    const other = await editor.folder("elsewhere");
    const window = await editor.window({ folder: other });
    await palette(window, "Cairn: Import Session");
    await chooseFile(window, bundle);
    await message(window, "The session is imported.").waitFor();
    await palette(window, "Cairn: Show Approvals");
    await row(window, "read-only, cancelled").waitFor();
    await lens(window, "Explain").first().waitFor();
    assert.equal(await lens(window, "Fork from here").count(), 0);
    await screenshot(window, "read-only");
    await palette(window, "Cairn: Fork Session");
    await message(window, "There is no session to fork.").waitFor();
    await window.close();
  });

  test("what is older than the settings keep is gone when the folder is opened again", async () => {
    const other = join(editor.place, "elsewhere");
    assert.deepEqual(await editor.sessions(other), [first]);
    const window = await editor.window({ folder: other });
    await palette(window, "Cairn: Show Approvals");
    await window.getByText("The demo needs no key and no network.").waitFor();
    assert.deepEqual(await editor.sessions(other), []);
    await window.close();
  });

  test("old sessions are deleted by a command, which shows them first", async () => {
    await palette(page, "Cairn: Delete Old Sessions");
    await modal(page)
      .getByText("The test in this folder fails. Find out why and fix it. (cancelled,")
      .waitFor();
    await screenshot(page, "delete-old");
    await modal(page).getByRole("button", { name: "Delete Sessions" }).click();
    await message(page, "1 session was deleted.").waitFor();
    assert.deepEqual(await filesWith(first), []);
    assert.equal(await page.locator(".tab", { hasText: "Replay" }).count(), 0);
  });

  test("nothing in any window was against its content security policy", () => {
    assert.deepEqual(editor.violations, []);
  });
});
