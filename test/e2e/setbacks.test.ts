import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { startDemoServer } from "../../src/model/demoServer.ts";
import { hostileServer } from "../model/hostileServer.ts";
import { chunk, done, fragment } from "../model/wire.ts";
import { palette, screenshot } from "../vscode/browser.ts";
import { armed, axe, card, Editor, message, panelOf } from "./editor.ts";

function inputBox(page: Page): Locator {
  return page.locator(".quick-input-widget:visible input.input");
}

async function startSession(page: Page): Promise<void> {
  await palette(page, "Cairn: New Session");
  await inputBox(page).fill("Mend the test");
  await page.keyboard.press("Enter");
}

suite("what goes wrong is one sentence with a way out", () => {
  let editor: Editor;
  before(async () => {
    editor = await Editor.open({ "cairn.profile": "careful" });
  });
  after(async () => editor.close());

  test("without a folder there is a button that opens one", async () => {
    const page = await editor.window("nothing");
    await palette(page, "Cairn: Run Demo Session");
    const sentence = message(page, "Open a folder first: Cairn keeps its sessions in it.");
    await sentence.getByRole("button", { name: "Open Folder" }).waitFor();
    await page.close();
  });

  test("with several folders the session goes into the one that is chosen", async () => {
    const folders = [await editor.folder("one"), await editor.folder("two")];
    const workspace = join(editor.place, "both.code-workspace");
    await writeFile(workspace, JSON.stringify({ folders: folders.map((path) => ({ path })) }));
    const page = await editor.window({ workspace });
    await palette(page, "Cairn: Run Demo Session");
    await page.locator(".quick-input-list .monaco-list-row", { hasText: "two" }).click();
    await card(page, "Run exec?").waitFor();
    assert.deepEqual(
      folders.map((folder) => existsSync(join(folder, ".cairn", "sessions.db"))),
      [false, true],
    );
    await page.close();
  });

  test("a store that cannot be read is named, and is left as it is", async () => {
    const folder = await editor.folder("corrupt");
    const store = join(folder, ".cairn", "sessions.db");
    await mkdir(join(folder, ".cairn"));
    await writeFile(store, "this is no database, but it is long enough to be read as one");
    const page = await editor.window({ folder });
    await palette(page, "Cairn: Run Demo Session");
    await message(page, /\(store\.corrupt\)/).waitFor();
    await palette(page, "Cairn: Show Approvals");
    await page.locator(".monaco-list-row", { hasText: "Sessions of corrupt" }).waitFor();
    await screenshot(page, "corrupt-store");
    assert.match(await readFile(store, "utf8"), /^this is no database/);
    await page.close();
  });

  test("no key, then a wrong one, then the right one: the session goes on", async () => {
    const model = await startDemoServer();
    const folder = await editor.folder("keys");
    await editor.set({ "cairn.model.url": model.url, "cairn.model.name": "demo" });
    const page = await editor.window({ folder });
    const setKey = async (error: Locator, key: string): Promise<void> => {
      await error.getByRole("button", { name: "Set API Key" }).click();
      await inputBox(page).fill(key);
      await page.keyboard.press("Enter");
      await message(page, "is kept in secret storage").first().waitFor();
      await palette(page, "Notifications: Clear All Notifications");
    };
    try {
      await startSession(page);
      await setKey(message(page, "There is no API key."), "wrong");
      await startSession(page);
      await setKey(message(page, /\(model\.unauthorized\)/), model.key);
      await palette(page, "Cairn: Retry");
      await page.locator(".quick-input-list .monaco-list-row", { hasText: "failed" }).click();
      await card(page, "Run exec?").waitFor();
      await screenshot(page, "command");
      assert.deepEqual(await axe(page), []);
    } finally {
      await model.close();
      await page.close();
    }
  });

  test("a session that is stopped is shown as interrupted, and goes on when it is resumed", async () => {
    const model = await hostileServer((response) => {
      // The first answer never comes.
      if (model.seen.length > 1) response.end(chunk({ content: "Done." }, "stop") + done);
    });
    const folder = await editor.folder("stopped");
    await editor.set({ "cairn.model.url": model.url, "cairn.model.name": "demo" });
    const page = await editor.window({ folder });
    const row = page.locator(".pane", { hasText: "Sessions" }).locator(".monaco-list-row");
    try {
      await palette(page, "Cairn: Set API Key");
      await inputBox(page).fill("any");
      await page.keyboard.press("Enter");
      await startSession(page);
      await page.locator(".statusbar-item", { hasText: "1 running" }).waitFor();
      await palette(page, "Cairn: Stop");
      await page.locator(".quick-input-list .monaco-list-row", { hasText: "running" }).click();
      await palette(page, "Cairn: Show Approvals");
      await row.filter({ hasText: "interrupted" }).waitFor();
      await palette(page, "Cairn: Resume");
      await page.locator(".quick-input-list .monaco-list-row", { hasText: "interrupted" }).click();
      await row.filter({ hasText: "completed" }).waitFor();
      assert.equal(model.seen.length, 2);
    } finally {
      await model.close();
      await page.close();
    }
  });

  test("two calls of one answer are asked about side by side, and a question is taken back", async () => {
    const folder = await editor.folder("beside");
    const page = await editor.window({ folder });
    const approve = async (what: string): Promise<void> => {
      const command = card(page, "Run exec?").filter({ hasText: what });
      await command.waitFor();
      await armed();
      await command.getByRole("button", { name: "Approve" }).click();
      await command.waitFor({ state: "detached" });
    };
    await palette(page, "Cairn: Run Demo Session");
    await approve("ls -la");
    await approve("bash test.sh");
    await card(page, "cat prices.csv").waitFor();
    await card(page, "cat total.sh").waitFor();
    await screenshot(page, "side-by-side");
    await approve("cat prices.csv");
    await approve("cat total.sh");
    const question = card(page, "The row `lamp`");
    await question.waitFor();
    await armed();
    await question.getByRole("button", { name: "Take back the question" }).click();
    await message(page, "Cairn finished").waitFor();
    assert.equal(await message(page, "Cairn finished").count(), 1);
    const records = await editor.records(folder);
    const ended = records.flatMap((record) =>
      record.kind === "wait.answered" && record.ended !== undefined ? [record.wait] : [],
    );
    assert.deepEqual(ended, ["turn/1/tool/demo_7/answer"]);
    await page.close();
  });

  test("a session runs on beside its question, which is answered meanwhile", async () => {
    const call = (index: number, name: string, args: object): string =>
      fragment({ index, id: `call_${name}`, function: { name, arguments: JSON.stringify(args) } });
    const model = await hostileServer((response) => {
      const first =
        call(0, "exec", { command: "sleep 6" }) +
        call(1, "ask_question", { question: "Which one?", choices: ["This"] }) +
        chunk({}, "tool_calls");
      const next = chunk({ content: "Done." }, "stop");
      response.end((model.seen.length === 1 ? first : next) + done);
    });
    const folder = await editor.folder("meanwhile");
    await editor.set({ "cairn.model.url": model.url, "cairn.model.name": "demo" });
    const page = await editor.window({ folder });
    try {
      await palette(page, "Cairn: Set API Key");
      await inputBox(page).fill("any");
      await page.keyboard.press("Enter");
      await startSession(page);
      const command = card(page, "Run exec?");
      const question = card(page, "Which one?");
      await command.waitFor();
      await question.waitFor();
      await armed();
      await command.getByRole("button", { name: "Approve" }).click();
      await command.waitFor({ state: "detached" });
      await armed();
      await question.getByRole("button", { name: "This" }).click();
      await message(page, "Cairn finished").waitFor();
      const records = await editor.records(folder);
      const order = records.flatMap((record) => {
        if (record.kind === "wait.answered") return [record.wait];
        return record.kind === "step.completed" && record.stepKind === "tool" ? [record.step] : [];
      });
      assert.deepEqual(order, [
        "turn/1/tool/call_exec/approval",
        "turn/1/tool/call_ask_question/answer",
        "turn/1/tool/call_exec",
        "turn/1/tool/call_ask_question",
      ]);
      assert.equal(model.seen.length, 2);
    } finally {
      await model.close();
      await page.close();
    }
  });

  test("a command that is rejected does not run, and the model hears why", async () => {
    const folder = await editor.folder("rejected");
    const page = await editor.window({ folder });
    await palette(page, "Cairn: Run Demo Session");
    const command = card(page, "Run exec?");
    await command.locator("code", { hasText: "ls -la" }).waitFor();
    await command.getByText("The model says").waitFor();
    await armed();
    await command.getByRole("button", { name: "Reject…" }).click();
    await command.getByRole("textbox").fill("not in my folder");
    await armed();
    await command.getByRole("button", { name: "Reject", exact: true }).click();
    await message(page, "Cairn finished").waitFor();
    const records = JSON.stringify(await editor.records(folder));
    assert.match(records, /The operator rejected this call: not in my folder\. Nothing ran\./);
    assert.doesNotMatch(records, /"step\.started"/);
    await page.close();
  });
});

suite("in a folder that is not trusted", () => {
  let editor: Editor;
  before(async () => {
    editor = await Editor.open({}, false);
  });
  after(async () => editor.close());

  test("opening runs nothing, and a command says how to go on", async () => {
    const folder = await editor.folder("stranger");
    const page = await editor.window({ folder });
    const dialog = page.getByRole("button", { name: "No, I don't trust the authors" });
    await dialog
      .or(page.locator(".statusbar-item", { hasText: "Restricted Mode" }))
      .first()
      .waitFor();
    if (await dialog.isVisible()) await dialog.click();
    await palette(page, "Cairn: Run Demo Session");
    const sentence = message(page, /not trusted, so Cairn runs nothing in it/);
    await sentence.getByRole("button", { name: "Manage Trust" }).waitFor();
    await palette(page, "Cairn: Show Approvals");
    await panelOf(page).getByText("Nothing waits for you.").waitFor();
    await page.getByText("Cairn runs nothing in a folder that you do not trust.").waitFor();
    await screenshot(page, "untrusted");
    assert.equal(existsSync(join(folder, ".cairn")), false);
    assert.equal(existsSync(join(editor.place, "home")), false);
  });
});
