import { spawn, spawnSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startCodeServer } from "../vscode/codeServer.ts";
import { packageVsix } from "../vscode/packageVsix.ts";
import { mustRun } from "./command.ts";
import { demoWorkspace } from "./demoWorkspace.ts";
import { runHeadlessDemo } from "./headless.ts";
import { out, root } from "./root.ts";

const { values } = parseArgs({
  options: {
    headless: { type: "boolean", default: false },
    // Forgets the sessions, the files and the editor profile of earlier starts.
    fresh: { type: "boolean", default: false },
    "code-server": { type: "boolean", default: false },
    "no-open": { type: "boolean", default: false },
    port: { type: "string" },
  },
});
const windows = process.platform === "win32";
const hint = "Press F1 and run `Cairn: Run Demo Session`.";

await mustRun(process.execPath, ["esbuild.mjs"], { show: true });
if (values.headless) {
  process.exitCode = await runHeadlessDemo();
} else {
  const profile = join(out, "profile");
  if (values.fresh) await rm(profile, { recursive: true, force: true });
  const workspace = await demoWorkspace("demo", !values.fresh);
  if (!values["code-server"] && hasDesktop()) openDesktop(profile, workspace);
  else await serve(profile, workspace);
}

function hasDesktop(): boolean {
  return spawnSync("code", ["--version"], { shell: windows, stdio: "ignore" }).status === 0;
}

/** The extension in a desktop VS Code, with a profile that touches nothing of the user's own. */
function openDesktop(profile: string, workspace: string): void {
  const args = [
    "--new-window",
    `--extensionDevelopmentPath=${root}`,
    `--user-data-dir=${join(profile, "desktop")}`,
    `--extensions-dir=${join(profile, "desktop-extensions")}`,
    "--disable-workspace-trust",
    "--skip-welcome",
    workspace,
  ];
  const { status } = spawnSync("code", args, { shell: windows, stdio: "inherit" });
  process.exitCode = status ?? 1;
  if (status === 0) console.log(`Opened the demo workspace in VS Code. ${hint}`);
}

/** The packaged extension in a VS Code that a browser shows, until Ctrl+C. */
async function serve(profile: string, workspace: string): Promise<void> {
  const server = await startCodeServer({
    workspace,
    profile: join(profile, "code-server"),
    trust: true,
    vsix: [await packageVsix()],
    ...(values.port === undefined ? {} : { port: Number(values.port) }),
  });
  console.log(`VS Code with Cairn: ${server.url}\n${hint} Ctrl+C stops the editor.`);
  if (!values["no-open"]) openBrowser(server.url);
  await server.ended;
}

function openBrowser(url: string): void {
  const opener = process.platform === "darwin" ? "open" : "xdg-open";
  const child = spawn(opener, [url], { stdio: "ignore", detached: true });
  child.on("error", () => console.log("No browser to open it with; open the address yourself."));
  child.unref();
}
