import type { StoredTrees } from "./storedTrees.ts";
import type { TreeChange } from "./treeChange.ts";
import { isFile, type Leaf } from "./treeObject.ts";

const editor = "an editor runs tasks and obeys settings in it";
const agents = "a coding agent runs what it names";
const packages = "a package manager runs what it names";

/**
 * Folders whose contents are run or obeyed without anybody asking for it. Sources and build files
 * are not among them, however much they run: they do so when their project is built or started.
 */
const guardedFolders = new Map([
  [".git", "git runs hooks and obeys settings in it"],
  [".husky", "git runs hooks in it"],
  [".vscode", editor],
  [".idea", editor],
  [".zed", editor],
  [".devcontainer", "the editor builds and starts a container from it"],
  [".cursor", agents],
  [".claude", agents],
  [".yarn", packages],
]);

/** The same for single files. */
const guardedFiles: readonly (readonly [RegExp, string])[] = [
  [/\.code-workspace$/, editor],
  [/^\.devcontainer\.json$/, "the editor builds and starts a container from it"],
  [/^cairn\.rules\.json$/, "it holds what agents may not do in this folder"],
  [/^\.envrc$/, "direnv runs it on entering the folder"],
  [/^\.mcp\.json$/, agents],
  [/^\.npmrc$|^\.yarnrc$|^\.yarnrc\.yml$|^\.pnpmfile\.c?js$/, packages],
  [/^\.pre-commit-config\.ya?ml$|^\.?lefthook(-local)?\.ya?ml$/, "git hooks run what it names"],
];

/** What npm runs by itself when packages are installed. */
const installScripts = new Set([
  "preinstall",
  "install",
  "postinstall",
  "prepublish",
  "preprepare",
  "prepare",
  "postprepare",
  "dependencies",
]);

/** Never part of a session's tree when it starts, so never offered back. */
const keptBack = new Set([".cairn", "node_modules"]);

/** Short names that Windows gives to the long ones above, each with what it is short for. */
const shortNames: readonly (readonly [RegExp, string])[] = [
  [/^git~\d+$/, ".git"],
  [/^husky~\d+$/, ".husky"],
  [/^vscode~\d+$/, ".vscode"],
  [/^devcon~\d+$/, ".devcontainer"],
  [/^cursor~\d+$/, ".cursor"],
  [/^claude~\d+$/, ".claude"],
  [/^idea~\d+$/, ".idea"],
  [/^zed~\d+$/, ".zed"],
  [/^yarn~\d+$/, ".yarn"],
  [/^envrc~\d+$/, ".envrc"],
  [/^npmrc~\d+$/, ".npmrc"],
  [/^yarnrc~\d+(\.yml)?$/, ".yarnrc"],
  [/^pnpmfi~\d+\.(js|cjs)$/, ".pnpmfile.cjs"],
  [/^mcp~\d+\.jso$/, ".mcp.json"],
  [/^cairnr~\d+\.jso$/, "cairn.rules.json"],
  [/^pre-co~\d+\.(yam|yml)$/, ".pre-commit-config.yaml"],
  [/^leftho~\d+\.(yam|yml)$/, "lefthook.yml"],
  [/^packag~\d+\.jso$/, "package.json"],
  [/~\d+\.cod$/, "x.code-workspace"],
  [/^cairn~\d+$/, ".cairn"],
  [/^node_m~\d+$/, "node_modules"],
];

/**
 * Every spelling that some system takes for the same name becomes one: case, Unicode forms,
 * invisible characters, `\` as a separator, trailing dots and spaces, alternate streams, short names.
 */
function spellings(path: string): readonly string[] {
  return path
    .normalize("NFKC")
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, "")
    .toLowerCase()
    .split(/[/\\]/)
    .map((segment) => segment.replace(/:.*$/s, "").replace(/[. ]+$/, ""))
    .map((name) => shortNames.find(([short]) => short.test(name))?.[1] ?? name);
}

/** What runs or obeys the file at a path without asking; null when nothing does. */
export function guardOfPath(path: string): string | null {
  for (const name of spellings(path)) {
    const file = guardedFiles.find(([pattern]) => pattern.test(name))?.[1];
    const reason = guardedFolders.get(name) ?? file;
    if (reason !== undefined) return reason;
  }
  return null;
}

/** The same for a change: a `package.json` counts when what an installation runs is another. */
export async function guardOf(change: TreeChange, stored: StoredTrees): Promise<string | null> {
  const guard = guardOfPath(change.path);
  if (guard !== null || spellings(change.path).at(-1) !== "package.json") return guard;
  const scripts = async (leaf: Leaf | null): Promise<string> =>
    leaf !== null && isFile(leaf) ? installScriptsOf(await stored.bytes(leaf)) : "{}";
  const [before, after] = [await scripts(change.before), await scripts(change.after)];
  return before === after ? null : "an installation runs scripts that it names";
}

/** Whether the path is left where it is without a word: installed packages and our own records. */
export function isKeptBack(path: string): boolean {
  return spellings(path).some((name) => keptBack.has(name));
}

/** As text, to be compared; of a file that is no JSON all of it, since tools may read it otherwise. */
function installScriptsOf(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  try {
    const parsed: unknown = JSON.parse(text);
    const scripts: unknown =
      typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, "scripts") : null;
    if (typeof scripts !== "object" || scripts === null) return "{}";
    return JSON.stringify(Object.fromEntries(Object.entries(scripts).filter(isInstallScript)));
  } catch {
    return text;
  }
}

function isInstallScript([name]: readonly [string, unknown]): boolean {
  return installScripts.has(name);
}
