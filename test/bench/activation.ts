import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { launchBrowser, palette } from "../vscode/browser.ts";
import { startCodeServer } from "../vscode/codeServer.ts";
import { packageVsix } from "../vscode/packageVsix.ts";
import { atMost, percentile, type Measure } from "./metric.ts";

const hosts = 12;
/** A small extension that comes with VS Code and starts in the same host at the same time. */
const peer = "Merge Conflict";

/** What VS Code itself says of the packaged extension, loading included, in a new extension host each time. */
export const activation: Measure = async () => {
  const workspace = await mkdtemp(join(tmpdir(), "cairn-activation-"));
  const server = await startCodeServer({ workspace, vsix: [await packageVsix()], trust: true });
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const took: number[] = [];
    const peers: number[] = [];
    for (let host = 0; host < hosts; host += 1) {
      await page.goto(server.url);
      await palette(page, "Developer: Show Running Extensions");
      took.push(await activationOf(page, "Cairn"));
      peers.push(await activationOf(page, peer));
    }
    const metric = atMost(percentile(took, 0.95), "ms", 50);
    const floor = percentile(peers, 0.95);
    return {
      "activate.p95_ms": { ...metric, floor, ratio: Number((metric.value / floor).toFixed(2)) },
    };
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
