import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, suite, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import type { WaitSubject } from "../../src/core/waitSubject.ts";
import type { PanelWait, ToPanel } from "../../src/protocol.ts";
import { root } from "../harness/root.ts";
import {
  apply,
  budget,
  command,
  egress,
  form,
  image,
  inDoubt,
  PanelPage,
  question,
  restoreConflict,
  rule,
  service,
  skillUpdate,
  wait,
} from "./panelPage.ts";

suite("the approvals panel", () => {
  let panel: PanelPage;
  let page: Page;

  before(async () => {
    panel = await PanelPage.open();
    ({ page } = panel);
  });
  after(async () => panel.close());
  beforeEach(async () => panel.reset());

  const tell = async (message: ToPanel): Promise<void> => panel.tell(message);
  const show = async (...waits: readonly PanelWait[]): Promise<void> => panel.show(...waits);
  const armed = async (): Promise<void> => panel.armed();
  const answers = async (): Promise<readonly unknown[]> => panel.answers();
  const button = (name: string): Locator => panel.button(name);

  test("a card that has just appeared takes no answer, and one half a second old does", async () => {
    await show(wait("one", command("ls")));
    await button("Approve Once").click();
    await page.keyboard.press("Control+Enter");
    await page.clock.runFor(499);
    await button("Approve Once").click();
    assert.deepEqual(await answers(), []);
    await page.clock.runFor(1);
    await button("Approve Once").click();
    assert.deepEqual(await answers(), [{ approved: true, note: "" }]);
  });

  test("a card that moved because another one appeared is new again", async () => {
    await show(wait("one", command("ls")));
    await armed();
    await show(wait("one", command("ls")), wait("two", command("rm x")));
    await button("Approve Once").first().click();
    assert.deepEqual(await answers(), []);
  });

  test("a second click sends nothing more", async () => {
    await show(wait("one", command("ls")));
    await armed();
    await page.keyboard.press("Control+Enter");
    await page.keyboard.press("Control+Enter");
    await button("Approve Once").click({ force: true });
    assert.equal((await answers()).length, 1);
  });

  test("the chord approves the focused card, and rejects from the field for the reason", async () => {
    await show(wait("one", command("ls")), wait("two", apply));
    await armed();
    await page.keyboard.press("Control+Enter");
    const second = page.getByRole("article").nth(1);
    await second.getByRole("button", { name: "Reject…" }).click();
    await armed();
    await page.keyboard.type("not now");
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

  test("an act in doubt shows its evidence and takes one of four answers, none by the chord", async () => {
    const other = (name: string): PanelWait => wait(name, inDoubt, { session: name });
    await show(other("a"), other("b"), other("c"));
    const first = page.getByRole("article").first();
    await first.getByText("It looks as if it happened.").waitFor();
    await first.getByText("1 of 1 file is there.").waitFor();
    await first.getByText("What was sent").click();
    assert.equal(await first.getByLabel("What was sent").textContent(), '[\n  "a.txt"\n]');
    await armed();
    await page.keyboard.press("Control+Enter");
    assert.deepEqual(await answers(), []);
    for (const [place, name] of ["Run Again", "Skip", "Stop"].entries()) {
      await page.getByRole("article").nth(place).getByRole("button", { name, exact: true }).click();
    }
    assert.deepEqual(await answers(), [
      { choice: "runAgain" },
      { choice: "skip" },
      { choice: "stop" },
    ]);
  });

  test("what happened is told with the result that was typed, or with the one that was read off", async () => {
    await show(wait("one", inDoubt), wait("two", { ...inDoubt, result: { ok: true } }));
    const [typed, read] = [page.getByRole("article").first(), page.getByRole("article").nth(1)];
    await armed();
    await button("It Happened").first().click();
    assert.equal(await typed.getByRole("alert").textContent(), "Type the answer as JSON.");
    await typed.getByRole("textbox").fill("{ no");
    await button("It Happened").first().click();
    assert.match((await typed.getByRole("alert").textContent()) ?? "", /^This is not JSON: /);
    await typed.getByRole("textbox").fill('{ "ok": false }');
    await button("It Happened").first().click();
    await read.getByText("Result that was read off").waitFor();
    await button("It Happened").nth(1).click();
    assert.deepEqual(await answers(), [
      { choice: "happened", result: { ok: false } },
      { choice: "happened" },
    ]);
  });

  test("a budget says what was used of what, and the chord adds and goes on", async () => {
    const amounts = { used: "1,204 tokens", limit: "1,000 tokens", add: "1,000 tokens" };
    await show({ ...wait("one", budget), amounts }, { ...wait("two", budget), amounts });
    const card = page.getByRole("article").first();
    assert.equal(
      (await card.locator("dt, dd").allTextContents()).join(" "),
      "Used 1,204 tokens Limit 1,000 tokens A yes adds 1,000 tokens Next another request to the model",
    );
    await armed();
    await page.keyboard.press("Control+Enter");
    await button("Stop Here").nth(1).click();
    assert.deepEqual(await answers(), [
      { approved: true, note: "" },
      { approved: false, note: "" },
    ]);
  });

  test("a gate opens, and a yes-or-no has no usual answer", async () => {
    const plain: WaitSubject = { kind: "form", about: null, schema: null };
    await show(
      wait("one", plain, { waitKind: "gate" }),
      wait("two", plain, { waitKind: "boolean" }),
      wait("three", plain, { waitKind: "boolean" }),
    );
    await armed();
    await page.keyboard.press("Control+Enter");
    const second = page.getByRole("article").nth(1);
    await second.focus();
    await page.keyboard.press("Control+Enter");
    await second.getByRole("button", { name: "No" }).click();
    await page.getByRole("article").nth(2).getByRole("button", { name: "Yes" }).click();
    assert.deepEqual(await answers(), [true, false, true]);
  });

  test("an answer by a schema is sent as it was typed, once it is JSON", async () => {
    await show(wait("one", form));
    await page.getByText("Schema of the answer").click();
    assert.match((await page.getByLabel("Schema of the answer").textContent()) ?? "", /"object"/);
    await armed();
    await page.getByRole("textbox").fill("{ name: 'x' }");
    await page.keyboard.press("Control+Enter");
    assert.match((await page.getByRole("alert").textContent()) ?? "", /^This is not JSON: /);
    await page.getByRole("textbox").fill('{ "name": 1 }');
    await page.keyboard.press("Control+Enter");
    assert.deepEqual(await answers(), [{ name: 1 }]);
  });

  test("a question is taken back without an answer, and an approval cannot be", async () => {
    await show(wait("one", question), wait("two", command("ls")));
    await armed();
    assert.equal(await button("Take back the question").count(), 1);
    await button("Take back the question").click();
    const sent: unknown[] = await page.evaluate("window.sent");
    const shown = { session: "s1", wait: "one", digest: "digest of one", nonce: "nonce of one" };
    const abort = { kind: "abort", ...shown };
    assert.deepEqual(sent.at(-1), abort);
  });

  test("a wait that will end says how long it stays, and that it is over", async () => {
    await show({ ...wait("one", question), leftMs: 62_000 });
    await page.getByText("Ends without an answer in 1 min 2 s.").waitFor();
    await page.clock.runFor(61_000);
    await page.getByText("Ends without an answer in 1 s.").waitFor();
    await page.clock.runFor(2000);
    await page.getByText("Its time is over.").waitFor();
    await show({ ...wait("one", question), leftMs: 3 * 3_600_000 });
    await page.getByText("Ends without an answer in 3 h 0 min.").waitFor();
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
    await button("Approve Once").click();
    const sentence = "one was already answered by ann (cli). The first answer counts.";
    await tell({ kind: "refused", session: "s1", wait: "one", sentence, nonce: null });
    await tell({ kind: "waits", waits: [], focus: false });
    assert.equal(await page.getByRole("alert").textContent(), sentence);
    assert.equal(await button("Approve Once").count(), 0);
    await button("Dismiss").click();
    await page.getByText("Nothing waits for you.").waitFor();
  });

  test("an answer that is refused after its wait has gone brings the card back", async () => {
    await show(wait("one", command("ls")));
    await armed();
    await button("Approve Once").click();
    await tell({ kind: "waits", waits: [], focus: false });
    const refused = { kind: "refused", session: "s1", wait: "one", nonce: null } as const;
    await tell({ ...refused, sentence: "Ann was first." });
    assert.equal(await page.getByRole("alert").textContent(), "Ann was first.");
    assert.equal(await button("Approve Once").count(), 0);
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

  test("a dev container shows what it is built from, what it runs inside and what it does not get, all as text", async () => {
    await show(wait("one", image));
    const texts = ["RUN <img src=x>", "# one\n<b>make</b>", "initializeCommand: it never runs."];
    assert.deepEqual(await page.locator("pre").allTextContents(), texts);
  });

  test("a wait that changed is a new card", async () => {
    await show(wait("one", command("ls")));
    await show(wait("one", command("rm -rf ."), { digest: "another digest" }));
    assert.equal(await page.getByLabel("What will run").textContent(), "rm -rf .");
  });

  test("a long difference to a file of one's own is folded, and a yes is not to be had before it was shown", async () => {
    const lines = Array.from({ length: 80 }, (_, at) => `-mine ${at}`).join("\n");
    const diff = `--- a\n+++ b\n@@ -1,80 +0,0 @@\n${lines}\n`;
    const undo = "Yours is kept.";
    await show(wait("one", { ...restoreConflict, diff, undo }));
    await armed();
    await page.getByText("1 part of what you would approve is hidden.").waitFor();
    await button("Approve Once").click({ force: true });
    assert.deepEqual(await answers(), []);
    await page.getByText("−80").click();
    await page.locator("del", { hasText: "-mine 79" }).waitFor();
    await page.getByText("Yours is kept.").waitFor();
    await armed();
    await button("Approve Once").click();
    assert.deepEqual(await answers(), [{ approved: true, note: "" }]);
  });

  test("axe finds nothing wrong with any kind of card", async () => {
    const axe = await readFile(join(root, "node_modules/axe-core/axe.min.js"), "utf8");
    await show(
      wait("one", command("ls")),
      wait("two", question),
      wait("three", apply),
      wait("four", inDoubt),
      wait("five", { ...question, choices: [] }),
      wait("six", { ...inDoubt, result: { ok: true } }, { session: "s2" }),
      { ...wait("seven", budget), amounts: { used: "1", limit: "2", add: "3" }, leftMs: 5000 },
      wait("eight", form),
      wait("nine", form, { waitKind: "gate", seq: 9 }),
      wait("ten", form, { waitKind: "boolean", seq: 10 }),
      wait("eleven", image, { seq: 11 }),
      wait("twelve", egress, { seq: 12 }),
      wait("thirteen", service, { seq: 13 }),
      wait("fourteen", skillUpdate, { seq: 14 }),
      wait("fifteen", rule, { seq: 15 }),
      wait("sixteen", restoreConflict, { seq: 16 }),
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
