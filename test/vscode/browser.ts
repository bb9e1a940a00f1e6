import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { chromium, type Browser, type FrameLocator, type Page } from "playwright-core";
import { out } from "../harness/root.ts";

// One without a screen does less beside what is looked at.
const names = [
  "chromium-headless-shell",
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
];

/** Path of a Chromium: `$CHROMIUM`, else the first one on PATH, else null. */
export function findChromium(): string | null {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return process.env["CHROMIUM"] ?? paths.find((path) => existsSync(path)) ?? null;
}

/** A browser with a new profile that reaches nothing but this machine. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === null) throw new Error("No Chromium on PATH; set CHROMIUM to its path.");
  return chromium.launch({
    executablePath,
    args: [
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-dev-shm-usage",
      "--disable-gpu",
      "--disable-quic",
      "--disable-sync",
      "--no-first-run",
      "--no-sandbox", // it runs as root on test machines, and loads only our own pages
    ],
  });
}

/** Runs a command from the command palette, by its whole title: `Cairn: Show Log`. */
export async function palette(page: Page, title: string): Promise<void> {
  const box = page.locator(".quick-input-widget:visible input.input");
  // The best match is not always the first: "Delete Old Sessions" is before "Delete Session".
  const row = page
    .locator(".quick-input-list .monaco-list-row")
    .filter({ has: page.locator(".label-name").getByText(title, { exact: true }) });
  const deadline = Date.now() + 60_000;
  for (;;) {
    await page.keyboard.press("F1");
    try {
      await box.fill(`>${title}`, { timeout: 2000 });
      await row.waitFor({ timeout: 2000 });
      break;
    } catch (error) {
      // A window that still starts does not know the command yet, and an open list stays as it is.
      if (Date.now() > deadline) throw error;
      await page.keyboard.press("Escape");
    }
  }
  while (!/\bfocused\b/.test((await row.getAttribute("class")) ?? "")) {
    await page.keyboard.press("ArrowDown");
  }
  await page.keyboard.press("Enter");
}

/** The document inside the n-th webview of the window; VS Code nests two frames. */
export function webviewFrame(page: Page, index = 0): FrameLocator {
  const outer = page.locator("iframe.webview").nth(index).contentFrame();
  return outer.locator("#active-frame").contentFrame();
}

/** Saves what the window shows as `out/screenshots/NAME.png`. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = join(out, "screenshots");
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
