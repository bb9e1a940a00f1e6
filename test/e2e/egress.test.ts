import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { Page } from "playwright-core";
import * as z from "zod";
import { toolOutput } from "../../src/core/records.ts";
import { scriptedServer, type Reply, type ScriptedServer } from "../cli/scriptedServer.ts";
import { whyNoBubblewrap } from "../sandbox/bubblewrapPlace.ts";
import { palette, screenshot } from "../vscode/browser.ts";
import { armed, axe, card, Editor, message, panelOf } from "./editor.ts";

const skip = (await whyNoBubblewrap()) ?? false;

suite("a request that leaves a session's sandbox", { skip }, () => {
  const asked: string[] = [];
  let upstream: Server;
  let url = "";
  let model: ScriptedServer;
  let editor: Editor;
  let folder: string;
  let page: Page;

  before(async () => {
    upstream = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.end("the answer of the host\n");
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const { port } = z.object({ port: z.number() }).parse(upstream.address());
    url = `http://localhost:${port}/other/page`;
    // The sandbox's own loopback is no host to ask a proxy for, unless it is told to.
    const command = `export no_proxy= NO_PROXY=; curl -sS ${url}`;
    const curl = (id: string): Reply => ({
      text: "",
      calls: [{ id, tool: "exec", args: { command } }],
    });
    model = await scriptedServer([curl("a"), curl("b"), { text: "Done." }]);
    editor = await Editor.open({
      "cairn.sandbox.backend": "bubblewrap",
      "cairn.model.url": model.url,
      "cairn.model.name": "scripted",
    });
    const proxy = {
      name: "mine",
      hosts: ["localhost"],
      scheme: "http",
      ports: [port],
      methods: ["GET"],
      paths: ["/known/"],
      addresses: ["127.0.0.0/8", "::1"],
    };
    const rules = [{ id: "mine", decision: "allow", tool: "egress", proxy }];
    const home = join(editor.place, "home");
    await mkdir(home, { recursive: true, mode: 0o700 });
    await writeFile(join(home, "rules.json"), JSON.stringify({ rules }), { mode: 0o600 });
    folder = await editor.folder("egress");
    await writeFile(join(folder, ".npmrc"), `registry=http://localhost:${port}/other/\n`);
    page = await editor.window({ folder });
  });
  after(async () => {
    await page?.close();
    await editor?.close();
    await model?.close();
    upstream?.closeAllConnections();
    upstream?.close();
  });

  /** Answers the box that asks for this: the one before it may still be seen. */
  async function fill(prompt: string, text: string): Promise<void> {
    const box = page.locator(".quick-input-widget:visible").filter({ hasText: prompt });
    await box.locator("input.input").fill(text);
    await page.keyboard.press("Enter");
  }

  test("is refused, shown on a card with what a yes lets out, and answered for this session; the command that runs again gets its answer", async () => {
    await palette(page, "Cairn: Set API Key");
    await fill("Key for http", "any-key-of-a-test");
    await message(page, "is kept in secret storage").first().waitFor();
    await palette(page, "Notifications: Clear All Notifications");
    await palette(page, "Cairn: New Session");
    await fill("What should the agent do?", "Read the page");
    const request = card(page, `Let GET ${url} leave the sandbox?`);
    await request.waitFor();
    await request.getByText("While this command ran").waitFor();
    await request.getByText("whoever made the folder wrote it").waitFor();
    await request.getByRole("button", { name: "Ready Rule…" }).waitFor();
    await screenshot(page, "egress");
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(asked, []);
    await armed();
    await request.getByRole("button", { name: "This Session…" }).click();
    await request.getByText(`Allows GET of ${url}, with no header added`).first().waitFor();
    await armed();
    await request.getByRole("button", { name: "Approve for This Session" }).click();
    await message(page, "Cairn finished").waitFor();
    assert.deepEqual(asked, ["GET /other/page"]);
    await panelOf(page).getByText("Nothing waits for you.").waitFor();
    const records = await editor.records(folder);
    const result = records.find(
      (record) => record.kind === "step.completed" && record.step === "turn/1/tool/b",
    );
    assert.ok(result?.kind === "step.completed");
    assert.match(toolOutput.parse(result.output).text, /^the answer of the host/);
  });

  test("a secret is set by its name from the palette, and forgotten from a list of names", async () => {
    await palette(page, "Cairn: Set Secret");
    await fill("The name that proxy rules", "wiki-token");
    await fill("The value of wiki-token", "canary-0123456789");
    await message(page, "The secret wiki-token is kept in secret storage.").waitFor();
    await palette(page, "Cairn: Forget Secret");
    await page.locator(".quick-input-list .monaco-list-row", { hasText: "wiki-token" }).waitFor();
    await page.keyboard.press("Enter");
    await message(page, "The secret wiki-token is forgotten.").waitFor();
  });
});
