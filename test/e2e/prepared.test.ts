import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { Page } from "playwright-core";
import { recordBody, type RecordBody, type SessionSpec } from "../../src/core/records.ts";
import { viewOf } from "../../src/core/replay.ts";
import { startRecord } from "../contracts/records.ts";
import { palette, screenshot } from "../vscode/browser.ts";
import { armed, axe, card, choice, chooseById, Editor, panelOf, row } from "./editor.ts";

type WaitOpened = Extract<RecordBody, { kind: "wait.opened" }>;

let editor: Editor;
before(async () => {
  editor = await Editor.open();
});
after(async () => editor.close());

/** A session whose records are these, as if somebody had run it before the editor was opened. */
async function recorded(
  folder: string,
  session: string,
  bodies: readonly RecordBody[],
): Promise<void> {
  const driver = editor.driver(folder);
  const [first, ...others] = bodies;
  assert(first !== undefined);
  const { session: shared } = (await driver.list())[0] ?? {};
  const lease = await driver.create(
    session,
    first,
    shared === undefined ? {} : { sharesBlobsOf: shared },
  );
  for (const body of others) await driver.append(lease, body);
  await driver.release(lease);
  await driver.close();
}

/** Both themes, since every colour is the theme's. */
async function screenshots(page: Page, name: string): Promise<void> {
  await screenshot(page, name);
  await toggleTheme(page, "light");
  await screenshot(page, `${name}-light`);
  // The colours arrive a moment after the theme's name.
  const deadline = Date.now() + 5000;
  let found = await axe(page);
  while (found.length > 0 && Date.now() < deadline) found = await axe(page);
  assert.deepEqual(found, []);
  await toggleTheme(page, "dark");
}

async function toggleTheme(page: Page, to: "light" | "dark"): Promise<void> {
  const body = panelOf(page).locator(`body.vscode-${to}`);
  for (let tries = 1; ; tries += 1) {
    await palette(page, "Preferences: Toggle between Light/Dark Themes");
    try {
      return await body.waitFor({ timeout: 10_000 });
    } catch (error) {
      if (tries === 3) throw error;
    }
  }
}

suite("a process that died while it wrote into the folder", () => {
  let folder: string;
  let page: Page;

  before(async () => {
    folder = await editor.folder("doubt");
    await demo("Count it as 0");
    await demo("approve");
    const done = await editor.records(folder);
    const intent = done.findLastIndex((record) => record.kind === "step.started");
    assert.notEqual(intent, -1);
    const bodies = done.slice(0, intent + 1).map((record) => recordBody.parse(record));
    await recorded(folder, "indoubt1", bodies);
    page = await editor.window({ folder });
    await page.setViewportSize({ width: 1280, height: 1500 });
  });
  after(async () => page.close());

  /** Runs the demo on the command line up to its next question, and answers that. */
  async function demo(answer: string): Promise<void> {
    const [session] = await editor.sessions(folder).catch(() => []);
    if (session === undefined) {
      await editor.commandLine(folder, "run", "--demo", "--sandbox", "embedded").catch(() => "");
      return demo(answer);
    }
    const [open] = viewOf(await editor.records(folder)).openWaits;
    assert(open !== undefined);
    await editor.commandLine(folder, "answer", session, open.wait, answer).catch(() => "");
  }

  test("is shown with the evidence, and nothing is written meanwhile", async () => {
    const written = await readFile(join(folder, "total.sh"), "utf8");
    await palette(page, "Cairn: Resume");
    await choice(page, "interrupted").click();
    const doubt = card(page, "This may have happened already");
    await doubt.getByText("write 1 file into your folder: total.sh").waitFor();
    await doubt.getByText("In your folder 1 of 1 file is as in the session.").waitFor();
    await doubt.getByText("What was sent").click();
    await doubt.getByText("Result that was read off").click();
    await doubt.getByLabel("Result that was read off").getByText('"total.sh"').waitFor();
    await screenshots(page, "in-doubt");
    assert.equal(await readFile(join(folder, "total.sh"), "utf8"), written);
  });

  test("is settled by keyboard with the result that was read off", async () => {
    await card(page, "This may have happened already").focus();
    await armed();
    await page.keyboard.press("Control+Enter");
    await panelOf(page).getByRole("button", { name: "It Happened" }).focus();
    await page.keyboard.press("Enter");
    await row(page, "completed").nth(1).waitFor();
    const records = await editor.records(folder);
    assert.deepEqual(
      records.flatMap((record) => (record.kind === "wait.answered" ? [record.answer] : [])).at(-1),
      { choice: "happened" },
    );
    const started = records.flatMap((record) =>
      record.kind === "step.started" ? [record.step] : [],
    );
    assert.equal(new Set(started).size, started.length);
  });

  test("and the replay says so", async () => {
    await palette(page, "Cairn: Replay Session");
    await chooseById(page, "indoubt1");
    await page.locator(".view-line", { hasText: "- Session: `indoubt1`" }).click();
    await page.locator(".monaco-editor.focused").waitFor();
    await page.keyboard.press("Control+End");
    await page.locator(".view-lines", { hasText: "it had happened" }).waitFor();
    await screenshots(page, "replay-in-doubt");
  });
});

suite("a session of a flow that asks for everything", () => {
  let folder: string;
  let page: Page;

  before(async () => {
    folder = await editor.folder("survey");
    await recorded(folder, "survey1", [
      { kind: "session.started", at: Date.now(), spec: survey(folder) },
      wait("deploy", {
        waitKind: "gate",
        question: "Open the gate to the next stage?",
        subject: { kind: "form", about: "The staging checks have passed.", schema: null },
        deadlineMs: 90 * 60_000,
      }),
      wait("notify", {
        waitKind: "boolean",
        question: "Tell the team?",
        subject: { kind: "form", about: { channel: "releases", people: 12 }, schema: null },
      }),
      wait("owner", {
        waitKind: "schema",
        question: "Who owns this release?",
        subject: {
          kind: "form",
          about: null,
          schema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
        },
      }),
      wait("title", {
        waitKind: "text",
        question: "What is it called?",
        subject: { kind: "question", question: "What is it called?", choices: [] },
      }),
      {
        kind: "session.parked",
        at: Date.now(),
        waits: ["deploy", "notify", "owner", "title"],
      },
    ]);
    page = await editor.window({ folder });
    await page.setViewportSize({ width: 1280, height: 1500 });
  });
  after(async () => page.close());

  test("shows a card for every kind of wait, and how long it stays", async () => {
    await palette(page, "Cairn: Show Approvals");
    await card(page, "Open the gate")
      .getByText(/Ends without an answer in 1 h \d+ min/)
      .waitFor();
    await card(page, "Tell the team?").getByText('"releases"').waitFor();
    await card(page, "Who owns this release?").getByText("Schema of the answer").click();
    await card(page, "What is it called?").getByText("Take back the question").waitFor();
    assert.equal(await panelOf(page).getByRole("article").count(), 4);
    await screenshots(page, "forms");
  });

  test("an answer that the host does not take is refused on its card, and it stays open", async () => {
    const owner = card(page, "Who owns this release?");
    await armed();
    await owner.getByRole("textbox").fill('{ "name": "Ann" }');
    await page.keyboard.press("Control+Enter");
    await owner.getByRole("alert").getByText("survey").waitFor();
    const [said, view] = await Promise.all([
      owner.getByRole("alert").boundingBox(),
      page.locator("iframe.webview").boundingBox(),
    ]);
    assert(said !== null && view !== null);
    await screenshot(page, "refused");
    assert(said.y + said.height <= view.y + view.height, JSON.stringify({ said, view }));
    assert.equal(await panelOf(page).getByRole("article").count(), 4);
    const kinds = (await editor.records(folder)).map(({ kind }) => kind);
    assert(!kinds.includes("wait.answered"));
  });

  test("nothing in any window was against its content security policy", () => {
    assert.deepEqual(editor.violations, []);
  });
});

function wait(
  name: string,
  body: Pick<WaitOpened, "waitKind" | "question" | "subject"> & Partial<WaitOpened>,
): RecordBody {
  return { kind: "wait.opened", at: Date.now(), wait: name, digest: `of ${name}`, ...body };
}

/** A flow that no Cairn has: it can be looked at and not gone on with. */
function survey(workspace: string): SessionSpec {
  const first = startRecord("Release it");
  assert(first.kind === "session.started");
  const model = { name: "demo", url: "demo", demo: true };
  return { ...first.spec, model, workspace, flow: { name: "survey", version: 1, input: null } };
}
