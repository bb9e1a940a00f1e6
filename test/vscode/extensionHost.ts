import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { build } from "esbuild";
import * as z from "zod";
import { out, root } from "../harness/root.ts";
import { launchBrowser } from "./browser.ts";
import { startCodeServer } from "./codeServer.ts";
import { hostResult, type HostResult } from "./hostResult.ts";

const bundleFolder = join(out, "exthost");
const limitMs = 5 * 60_000;

/** Bundles test files for the extension host; gives what VS Code calls `extensionTestsPath`. */
export async function bundleHostTests(files: readonly string[]): Promise<string> {
  await rm(bundleFolder, { recursive: true, force: true });
  const entries = [...files, join(import.meta.dirname, "hostEntry.ts")];
  await build({
    absWorkingDir: root,
    entryPoints: entries.map((path) => ({ in: path, out: basename(path, ".ts") })),
    outdir: bundleFolder,
    outExtension: { ".js": ".cjs" },
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node22",
    external: ["vscode", "cpu-features"],
    loader: { ".node": "empty" },
    alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
    sourcemap: "inline",
    logLevel: "warning",
  });
  return join(bundleFolder, "hostEntry.cjs");
}

/** Results that `hostEntry.ts` left; a host that ended without any is one failure. */
export async function readHostResults(file: string): Promise<readonly HostResult[]> {
  try {
    return z.array(hostResult).parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    const detail = `The extension host left no results: ${String(error)}`;
    return [{ name: "the extension host runs the tests", outcome: "failed", ms: 0, detail }];
  }
}

/**
 * Lets Cairn use accounts of the test's own: the editor asks its user once, and in a test nobody can
 * be asked. What the workbench is configured with stands in its page.
 */
const trustsCairn = `new MutationObserver((_, observer) => {
  const meta = document.getElementById("vscode-workbench-web-configuration");
  if (meta === null) return;
  observer.disconnect();
  const settings = JSON.parse(meta.dataset.settings);
  settings.productConfiguration.trustedExtensionAuthAccess = ["cairn.cairn"];
  meta.dataset.settings = JSON.stringify(settings);
}).observe(document, { childList: true, subtree: true });`;

/** Runs test files inside the extension host of a code-server, with the built extension loaded. */
export async function runInExtensionHost(
  files: readonly string[],
  extension = root,
): Promise<readonly HostResult[]> {
  const tests = await bundleHostTests(files);
  const place = await mkdtemp(join(tmpdir(), "cairn-exthost-"));
  const workspace = join(place, "workspace");
  const results = join(place, "results.json");
  await mkdir(workspace);
  const server = await startCodeServer({
    workspace,
    trust: true,
    env: { CAIRN_HOST_RESULTS: results },
    // Without it a built workbench ignores the two extension paths below.
    args: ["--vscode-option", "enable-smoke-test-driver"],
  });
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const done = new Promise<void>((resolve) => {
      void page.exposeFunction("codeAutomationExit", () => resolve());
    });
    await page.exposeFunction("codeAutomationLog", () => {});
    await page.addInitScript({ content: trustsCairn });
    const remote = `vscode-remote://${new URL(server.url).host}`;
    const payload = JSON.stringify([
      ["extensionDevelopmentPath", remote + extension],
      ["extensionTestsPath", remote + tests],
    ]);
    await page.goto(`${server.url}&${new URLSearchParams({ payload }).toString()}`);
    const limit = AbortSignal.timeout(limitMs);
    await Promise.race([done, new Promise((resolve) => limit.addEventListener("abort", resolve))]);
    return await readHostResults(results);
  } finally {
    await browser.close();
    await server.saveLogs("exthost");
    await server.stop();
    await rm(place, { recursive: true, force: true });
  }
}
