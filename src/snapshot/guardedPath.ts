/** Folders whose contents an editor, git or a tool runs or obeys without being asked. */
const guardedFolders = new Set([".git", ".vscode", ".devcontainer", ".husky"]);
/** The same for single files. */
const guardedFiles = /^\.envrc$|\.code-workspace$/;
/** Never part of a session's tree when it starts, so never offered back. */
const keptBack = new Set([".cairn", "node_modules"]);
/** Short names that Windows gives to the long ones above. */
const shortNames = /^(git|vscode|devcon|husky|envrc|cairn|node_m)~\d+$|~\d+\.cod$/;

/**
 * Every spelling that some system takes for the same name becomes one: case, Unicode forms,
 * invisible characters, `\` as a separator, trailing dots and spaces, alternate streams.
 */
function spellings(path: string): readonly string[] {
  return path
    .normalize("NFKC")
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, "")
    .toLowerCase()
    .split(/[/\\]/)
    .map((segment) => segment.replace(/:.*$/s, "").replace(/[. ]+$/, ""));
}

/** Whether a session may not change this path in the user's folder, whatever it wrote in its tree. */
export function isGuarded(path: string): boolean {
  return spellings(path).some(
    (name) => guardedFolders.has(name) || guardedFiles.test(name) || shortNames.test(name),
  );
}

/** Whether the path is left where it is without a word: installed packages and our own records. */
export function isKeptBack(path: string): boolean {
  return spellings(path).some((name) => keptBack.has(name));
}
