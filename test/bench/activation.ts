import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { launchBrowser, palette } from "../vscode/browser.ts";
import { startCodeServer } from "../vscode/codeServer.ts";
import { packageVsix } from "../vscode/packageVsix.ts";
import { atMost, median, percentile, type Measure } from "./metric.ts";

const hosts = 20;

/**
 * What VS Code itself says of the packaged extension, loading included, in a new extension host
 * each time: it is activated by its first command, as in a folder without sessions.
 */
export const activation: Measure = async () => {
  const workspace = await mkdtemp(join(tmpdir(), "cairn-activation-"));
  const server = await startCodeServer({ workspace, vsix: [await packageVsix()], trust: true });
  const browser = await launchBrowser();
  try {
    // High enough for the whole list of running extensions, which shows only what fits.
    const page = await browser.newPage({ viewport: { width: 1200, height: 1600 } });
    const took: number[] = [];
    for (let host = 0; host < hosts; host += 1) {
      await page.goto(server.url);
      await palette(page, "Cairn: Show Log");
      await palette(page, "Developer: Show Running Extensions");
      took.push(await activationOf(page, "Cairn"));
    }
    console.log(`     median activation: ${median(took)} ms`);
    return { "activate.p95_ms": atMost(percentile(took, 0.95), "ms", 50) };
  } finally {
    await browser.close();
    await server.stop();
    await rm(workspace, { recursive: true, force: true });
  }
};

async function activationOf(page: Page, name: string): Promise<number> {
  const row = page.locator(".runtime-extensions-editor .extension", { hasText: name });
  const time = row.locator(".activation-time", { hasText: /\d\s*ms/ });
  const text = await time.textContent({ timeout: 60_000 });
  const ms = /(\d+)\s*ms/.exec(text ?? "")?.[1];
  if (ms === undefined) throw new Error(`VS Code shows no activation time: ${text}`);
  return Number(ms);
}
