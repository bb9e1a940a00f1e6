import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import type { Browser, BrowserContext, FrameLocator, Locator, Page } from "playwright-core";
import * as z from "zod";
import { recordBody, type SessionRecord } from "../../src/core/records.ts";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { placeStore, storeKey } from "../../src/durable/storePlace.ts";
import { mustRun } from "../harness/command.ts";
import { root } from "../harness/root.ts";
import { launchBrowser, webviewFrame } from "../vscode/browser.ts";
import { startCodeServer, type CodeServer } from "../vscode/codeServer.ts";
import { vsixPath } from "../vscode/packageVsix.ts";

const storedRecord = recordBody.and(z.object({ session: z.string(), seq: z.number() }));
const listed = z.object({ session: z.string(), status: z.string() });
const found = z.array(z.tuple([z.string(), z.string()]));

function profileOf(place: string): string {
  return join(place, "profile");
}

/** Where a remote window, which this is, has the settings that belong to the machine. */
async function writeSettings(
  place: string,
  settings: Readonly<Record<string, unknown>>,
): Promise<void> {
  const machine = join(profileOf(place), "data", "Machine");
  await mkdir(machine, { recursive: true });
  await writeFile(join(machine, "settings.json"), JSON.stringify(settings));
}

/** The packaged extension in an editor of its own, with a browser to look at it. */
export class Editor {
  readonly place: string;
  /** What a page said about its content security policy. */
  readonly violations: string[] = [];
  readonly #server: CodeServer;
  readonly #browser: Browser;
  readonly #settings: Record<string, unknown>;
  #context: Promise<BrowserContext> | null = null;

  private constructor(
    place: string,
    parts: { readonly server: CodeServer; readonly browser: Browser },
    settings: Readonly<Record<string, unknown>>,
  ) {
    this.place = place;
    this.#server = parts.server;
    this.#browser = parts.browser;
    this.#settings = { ...settings };
  }

  static async open(
    settings: Readonly<Record<string, unknown>> = {},
    trust = true,
  ): Promise<Editor> {
    const place = await mkdtemp(join(tmpdir(), "cairn-e2e-"));
    const own = { "cairn.sandbox.backend": "embedded", ...settings };
    await writeSettings(place, own);
    const server = await startCodeServer({
      workspace: place,
      profile: profileOf(place),
      vsix: [vsixPath],
      trust,
      settings: { "workbench.colorTheme": "Default Dark Modern" },
      env: { CAIRN_HOME: join(place, "home") },
    });
    return new Editor(place, { server, browser: await launchBrowser() }, own);
  }

  /** Settings of the machine, for windows that are opened from now on. */
  async set(settings: Readonly<Record<string, unknown>>): Promise<void> {
    Object.assign(this.#settings, settings);
    await writeSettings(this.place, this.#settings);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#server.stop();
    await rm(this.place, { recursive: true, force: true, maxRetries: 5 });
  }

  /** A new folder with the demo's files. */
  async folder(name: string): Promise<string> {
    const folder = join(this.place, name);
    await cp(join(root, "media", "demo"), folder, { recursive: true });
    return folder;
  }

  /** A window on a folder, on a `.code-workspace` file, or on nothing; `script` runs first in each of its frames. */
  async window(
    on: { readonly folder: string } | { readonly workspace: string } | "nothing",
    script: string | null = null,
  ) {
    // One profile, as a person's browser has: each window after the first finds the editor in its cache.
    this.#context ??= this.#browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await (await this.#context).newPage();
    if (script !== null) await page.addInitScript(script);
    page.setDefaultTimeout(30_000);
    page.on("console", (line) => {
      if (line.text().includes("Content Security Policy")) this.violations.push(line.text());
    });
    const url = new URL(this.#server.url);
    url.search = new URLSearchParams(on === "nothing" ? { ew: "true" } : { ...on }).toString();
    await page.goto(url.href);
    await untilOpen(page, on !== "nothing");
    return page;
  }

  /** Process ids of the extension hosts of this editor, one a window. */
  extensionHosts(): readonly number[] {
    const processes = execFileSync("ps", ["-e", "-o", "pid=,ppid=,args="], { encoding: "utf8" })
      .split("\n")
      .map((line) => /^ *(\d+) +(\d+) (.*)$/.exec(line))
      .map((match) => ({
        pid: Number(match?.[1]),
        ppid: Number(match?.[2]),
        args: match?.[3] ?? "",
      }));
    const ours = new Set([this.#server.pid]);
    // Ids start over, so a child may stand before its parent.
    for (let known = 0; known < ours.size;) {
      known = ours.size;
      for (const { pid, ppid } of processes) if (ours.has(ppid)) ours.add(pid);
    }
    const isHost = ({ pid, args }: (typeof processes)[number]): boolean =>
      ours.has(pid) && args.includes("--type=extensionHost");
    return processes.filter(isHost).map(({ pid }) => pid);
  }

  /** Runs the command line on a folder, with the keys of this editor. */
  async commandLine(folder: string, ...args: readonly string[]): Promise<string> {
    const env = { ...process.env, CAIRN_HOME: join(this.place, "home") };
    const all = [join(root, "dist", "cli.js"), ...args, "--workspace", folder, "--json"];
    return mustRun(process.execPath, all, { env });
  }

  /** Ids of the sessions of a folder, newest first. */
  async sessions(folder: string): Promise<readonly string[]> {
    return lines(await this.commandLine(folder, "sessions")).map(
      (line) => listed.parse(line).session,
    );
  }

  /** Records of the newest session of a folder, as the command line reads them. */
  async records(folder: string): Promise<readonly SessionRecord[]> {
    const [newest = ""] = await this.sessions(folder);
    return lines(await this.commandLine(folder, "show", newest)).map((line) =>
      storedRecord.parse(line),
    );
  }

  /** The store of a folder, opened as this editor opens it; to be closed before the editor does. */
  driver(folder: string): EmbeddedDriver {
    const home = join(this.place, "home");
    return new EmbeddedDriver({
      path: placeStore(folder, home).path,
      key: storeKey(home),
      owner: thisOwner(process.pid),
      worker: pathToFileURL(join(root, "dist", "storeWorker.cjs")),
    });
  }
}

export function panelOf(page: Page): FrameLocator {
  return webviewFrame(page);
}

/** A card of the panel by what stands on it. */
export function card(page: Page, text: string): Locator {
  return panelOf(page).getByRole("article").filter({ hasText: text });
}

/** A message in the corner of the window. */
export function message(page: Page, text: string | RegExp): Locator {
  return page.locator(".notification-list-item").filter({ hasText: text });
}

/** A row of the tree of sessions. */
export function row(page: Page, text: string | RegExp): Locator {
  const pane = page.locator(".pane", { hasText: "Sessions" });
  return pane.locator(".monaco-list-row").filter({ hasText: text });
}

/** A choice in the list that a command shows. */
export function choice(page: Page, text: string | RegExp): Locator {
  return page.locator(".quick-input-list .monaco-list-row").filter({ hasText: text });
}

/** Chooses the one session of a list that has this id; a list that just appeared takes a click for another row. */
export async function chooseById(page: Page, session: string): Promise<void> {
  await choice(page, session).waitFor();
  await page.locator(".quick-input-widget:visible input.input").fill(session);
  await choice(page, /./).nth(1).waitFor({ state: "detached" });
  await page.keyboard.press("Enter");
}

/** Long enough for a card to take an answer. */
export async function armed(): Promise<void> {
  await delay(700);
}

/** Everything that axe finds wrong with the panel as it is now. */
export async function axe(page: Page): Promise<z.infer<typeof found>> {
  const source = await readFile(join(root, "node_modules", "axe-core", "axe.min.js"), "utf8");
  const outer = await (
    await page.locator("iframe.webview").first().elementHandle()
  )?.contentFrame();
  const inner = await (await outer?.locator("#active-frame").elementHandle())?.contentFrame();
  assert(inner, "there is no panel");
  await inner.evaluate(source);
  return found.parse(
    await inner.evaluate(
      "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))",
    ),
  );
}

/**
 * Resolves when the window has its extensions and its folders. Under load the web editor at times
 * finds no folder in a workspace file; a reload does.
 */
async function untilOpen(page: Page, hasFolder: boolean): Promise<void> {
  await page.locator('.activitybar [aria-label^="Cairn"]').first().waitFor({ timeout: 60_000 });
  if (!hasFolder) return;
  const nothing = page.getByText("You have not yet added a folder");
  const files = page.locator(".explorer-folders-view .monaco-list-row").first();
  await nothing.or(files).waitFor();
  if (await files.isVisible()) return;
  await page.reload();
  await untilOpen(page, hasFolder);
}

function lines(text: string): readonly unknown[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line));
}
