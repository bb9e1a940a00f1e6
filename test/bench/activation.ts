import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launchBrowser, palette } from "../vscode/browser.ts";
import { startCodeServer } from "../vscode/codeServer.ts";
import { packageVsix } from "../vscode/packageVsix.ts";
import { atMost, percentile, type Measure } from "./metric.ts";

const hosts = 12;

/** What VS Code itself says of the packaged extension, loading included, in a new extension host each time. */
export const activation: Measure = async () => {
  const workspace = await mkdtemp(join(tmpdir(), "cairn-activation-"));
  const server = await startCodeServer({ workspace, vsix: [await packageVsix()], trust: true });
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const took: number[] = [];
    for (let host = 0; host < hosts; host += 1) {
      await page.goto(server.url);
      await palette(page, "Developer: Show Running Extensions");
      const row = page.locator(".runtime-extensions-editor .extension", { hasText: "Cairn" });
      const text = await row
        .locator(".activation-time", { hasText: /\d\s*ms/ })
        .textContent({ timeout: 60_000 });
      const ms = /(\d+)\s*ms/.exec(text ?? "")?.[1];
      if (ms === undefined) throw new Error(`VS Code shows no activation time: ${text}`);
      took.push(Number(ms));
    }
    return { "activate.p95_ms": atMost(percentile(took, 0.95), "ms", 50) };
  } finally {
    await browser.close();
    await server.stop();
    await rm(workspace, { recursive: true, force: true });
  }
};
