import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../harness/command.ts";
import { out } from "../harness/root.ts";

const version = "4.139.1";
const directory = join(out, "tools", "code-server");
const modules = join(directory, "node_modules");

/** The script that Node runs to start code-server. */
export const codeServerEntry = join(modules, "code-server", "out", "node", "entry.js");
const standIn = join(import.meta.dirname, "spdlogStandIn.cjs");

/** Not loaded by what we do with the editor; without them it starts with 40 % less work. */
const unusedExtensions = [
  "copilot",
  "emmet",
  "github",
  "github-authentication",
  "ipynb",
  "mermaid-markdown-features",
  "microsoft-authentication",
  "ms-vscode.js-debug",
  "ms-vscode.js-debug-companion",
  "ms-vscode.vscode-js-profile-table",
  "notebook-renderers",
  "terminal-suggest",
];

/**
 * Installs code-server from npm alone, without a compiler. Does nothing when it is there.
 * `--ignore-scripts` skips its own postinstall, which would build native addons for minutes.
 */
export async function installCodeServer(): Promise<void> {
  const stamp = join(directory, "installed");
  // Any change of what is installed, and how, is a change of these two files.
  const recipe = (await readFile(import.meta.filename, "utf8")) + (await readFile(standIn, "utf8"));
  const done = await readFile(stamp, "utf8").catch(() => "");
  if (done === recipe) return;
  console.log(`Installing code-server ${version} into out/tools (once, about half a minute) ...`);
  // A half-failed install leaves stale links behind, so always from nothing.
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "package.json"), '{ "private": true }');
  await npmInstall(directory, `code-server@${version}`);

  const vscode = join(modules, "code-server", "lib", "vscode");
  await npmInstall(vscode, "--omit=dev");
  await npmInstall(join(vscode, "extensions"), "--omit=dev");
  await copyFile(standIn, join(vscode, "node_modules", "@vscode", "spdlog", "index.js"));
  const unused = unusedExtensions.map((name) => join(vscode, "extensions", name));
  await Promise.all(unused.map((path) => rm(path, { recursive: true, force: true })));
  await writeFile(stamp, recipe);
}

async function npmInstall(cwd: string, ...args: readonly string[]): Promise<void> {
  const quiet = ["--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"];
  await mustRun("npm", ["install", ...args, ...quiet], { cwd });
}
