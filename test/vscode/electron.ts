import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { globSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTests, TestRunFailedError } from "@vscode/test-electron";
import { root } from "../harness/root.ts";
import { bundleHostTests, readHostResults } from "./extensionHost.ts";

// The extension-host tests in a desktop VS Code: the one of VSCODE_EXECUTABLE, or a downloaded one.
const place = await mkdtemp(join(tmpdir(), "cairn-electron-"));
const workspace = join(place, "workspace");
const results = join(place, "results.json");
await mkdir(workspace);
const files = globSync("test/host/*.test.ts", { cwd: root });
const executable = process.env["VSCODE_EXECUTABLE"];
try {
  await runTests({
    ...(executable === undefined ? {} : { vscodeExecutablePath: executable }),
    extensionDevelopmentPath: root,
    extensionTestsPath: await bundleHostTests(files),
    extensionTestsEnv: { CAIRN_HOST_RESULTS: results },
    launchArgs: [workspace, "--disable-extensions", "--disable-workspace-trust"],
  });
} catch (error) {
  if (!(error instanceof TestRunFailedError)) throw error;
}
const all = await readHostResults(results);
await rm(place, { recursive: true });
for (const { name, outcome, detail } of all) console.log(`${outcome.padEnd(7)} ${name} ${detail}`);
process.exitCode = all.some(({ outcome }) => outcome === "failed") ? 1 : 0;
