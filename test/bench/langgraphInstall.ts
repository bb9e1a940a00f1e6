import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { mustRun } from "../harness/command.ts";
import { root } from "../harness/root.ts";

const packages = {
  "@langchain/core": "^1.0.0",
  "@langchain/langgraph": "1.7.3",
  "@langchain/langgraph-checkpoint-sqlite": "1.0.4",
};

/**
 * LangGraph in an ignored folder, at the first use only: its SQLite addon is compiled for minutes.
 * That needs a Node with its headers beside it, which is the system's and not the project's own.
 */
export async function installLanggraph(): Promise<{ folder: string; node: string }> {
  const folder = join(root, ".run", "peers");
  const path = (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((place) => !place.includes("node_modules"));
  const node = path.map((place) => join(place, "node")).find((file) => existsSync(file));
  const home = node === undefined ? "" : dirname(dirname(realpathSync(node)));
  if (node === undefined || !existsSync(join(home, "include", "node", "node.h"))) {
    throw new Error("LangGraph needs a system-wide Node with its headers.");
  }
  const done = join(folder, "installed.json");
  if (existsSync(done)) return { folder, node };
  console.log("     installing LangGraph into .run/peers (its addon is compiled: minutes) ...");
  mkdirSync(folder, { recursive: true });
  const manifest = JSON.stringify({ private: true, dependencies: packages });
  writeFileSync(join(folder, "package.json"), manifest);
  const env = { ...process.env, PATH: path.join(delimiter), npm_config_nodedir: home };
  await mustRun("npm", ["install", "--no-audit", "--no-fund"], { cwd: folder, env });
  writeFileSync(done, manifest);
  return { folder, node };
}
