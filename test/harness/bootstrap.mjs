/// <reference types="node" />
// Runs on the machine's own Node, before anything is installed: Node 20, no packages, no types.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const windows = process.platform === "win32";
const projectNode = join(root, "node_modules", "node", "bin", windows ? "node.exe" : "node");

/** Installs what is missing, then runs a script with the project's Node and ends as it ends. */
export function runWithProjectNode(script) {
  if (!isInstalled()) install();
  const child = spawn(projectNode, [script, ...process.argv.slice(2)], {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      PATH: join(root, "node_modules", ".bin") + delimiter + process.env.PATH,
    },
  });
  // Ctrl+C reaches the child by itself: it is in the same process group.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("error", (error) => fail(`Could not start ${projectNode}: ${error.message}`));
  child.on("exit", (code) => process.exit(code ?? 1));
}

/** True when npm's own record of node_modules has every locked package at its locked version. */
function isInstalled() {
  const wanted = packages(join(root, "package-lock.json"));
  const present = packages(join(root, "node_modules", ".package-lock.json"));
  return (
    existsSync(projectNode) &&
    Object.entries(wanted).every(
      ([place, entry]) =>
        place === "" || entry.optional === true || present[place]?.version === entry.version,
    )
  );
}

function packages(lockFile) {
  return existsSync(lockFile) ? JSON.parse(readFileSync(lockFile, "utf8")).packages : {};
}

function install() {
  console.log("Installing packages (npm install, as locked) ...");
  // Not `npm ci`: it refuses a lock made against a registry that lacks some platforms' binaries.
  // Of all install scripts only the one of `node` matters: it brings Node 24.
  npm("install", "--no-save", "--ignore-scripts", "--include=dev");
  console.log("Fetching Node 24 for the project (npm package `node`) ...");
  npm("rebuild", "node", "--ignore-scripts=false");
}

function npm(...args) {
  const { status } = spawnSync("npm", [...args, "--loglevel=error"], {
    cwd: root,
    stdio: "inherit",
    shell: windows,
  });
  if (status !== 0) fail(`\`npm ${args.join(" ")}\` failed; the reason is above.`);
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
