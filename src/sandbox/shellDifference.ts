/** What a shell says of itself: one text for each of {@link lookedAt}, in that order. */
export type ShellLook = readonly string[];

/**
 * What is looked at, as bash says it. Runs after `builtin` is known to be the real one. Values are
 * apart by a token that no command has seen, so that none can pass for another.
 */
const looks = [
  String.raw`\builtin compgen -a`,
  String.raw`\builtin compgen -A function`,
  String.raw`\builtin printf %s "${"$"}{PATH-}"`,
  String.raw`\builtin printf %s "${"$"}{BASH_ENV-}"`,
  String.raw`\builtin printf %s "${"$"}{PROMPT_COMMAND-}"`,
  String.raw`\builtin printf %s "$4"`,
  String.raw`\builtin hash -l`,
  String.raw`\builtin enable -a`,
  String.raw`\builtin printf '%s\n' "$(</proc/"$$"/maps)"`,
  String.raw`\builtin printf %s "$SHELLOPTS:$BASHOPTS"`,
  String.raw`\builtin readonly -p`,
];

/** Commands for bash that write all of it, with the token in `$3` and the traps in `$4`. */
export const lookScript: string = looks.join(String.raw`; \builtin printf '\n%s\n' "$3"; `);

export function readLook(answer: string, token: string): ShellLook {
  return answer.split(`\n${token}\n`);
}

/** For one, and for several. */
type Words = readonly [string, string];

/** One sentence on what of the shell would make a command mean something else; empty for nothing. */
export function shellDifference(clean: ShellLook, now: ShellLook): string {
  if (clean.length !== looks.length || now.length !== looks.length) return notComparable;
  const [, , cleanPath = ""] = clean;
  const directories = new Set(cleanPath.split(":"));
  const more = (at: number, read: (text?: string) => readonly string[], words: Words): string =>
    counted(newIn(read(clean[at]), read(now[at])), words);
  const set = (at: number, words: string): string => (clean[at] === now[at] ? "" : words);
  const hashed = (text?: string): readonly string[] => hashedOutside(text, directories);
  const found = [
    more(0, linesOf, ["alias", "aliases"]),
    more(1, linesOf, ["function", "functions"]),
    set(2, "PATH changed"),
    set(3, "BASH_ENV set"),
    set(4, "PROMPT_COMMAND set"),
    more(5, trapsOf, ["trap", "traps"]),
    more(6, hashed, ["hashed program", "hashed programs"]),
    more(7, linesOf, ["builtin loaded or off", "builtins loaded or off"]),
    more(8, librariesOf, ["library loaded", "libraries loaded"]),
    options(clean[9], now[9]),
    more(10, namesOf, ["read-only variable", "read-only variables"]),
  ].filter((part) => part !== "");
  return differs(found);
}

/** The sentence for what was found, which is empty for nothing. */
export function differs(found: readonly string[]): string {
  return found.length === 0 ? "" : `The shell differs from a clean one: ${found.join(", ")}.`;
}

export const notComparable = "What the shell was told before cannot be found out now.";

function linesOf(text = ""): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** The first line of each trap that does something; no body can begin as one that does not. */
function trapsOf(text?: string): readonly string[] {
  return linesOf(text).filter((line) => /^trap -- (?!- \S+$)/u.test(line));
}

/** A program that was started once is remembered, which is harmless where it would be found again. */
function hashedOutside(
  text: string | undefined,
  directories: ReadonlySet<string>,
): readonly string[] {
  return linesOf(text).filter((line) => {
    const path = /^builtin hash -p (.*) \S+$/u.exec(line)?.[1];
    return path !== undefined && !directories.has(path.slice(0, path.lastIndexOf("/")));
  });
}

/** By name, for some of bash's own have a value that changes. */
function namesOf(text?: string): readonly string[] {
  return linesOf(text).flatMap((line) => /^declare -\S+ (\w+)/u.exec(line)?.[1] ?? []);
}

/** Those of the system may be loaded by bash itself, for example to look up a user. */
function librariesOf(text?: string): readonly string[] {
  const paths = linesOf(text).map((line) => /\s(\/.*)$/u.exec(line)?.[1] ?? "");
  return [...new Set(paths)].filter(
    (path) => path !== "" && !/^\/(?:usr|lib|lib64|bin)\//u.test(path),
  );
}

function options(clean = "", now = ""): string {
  const [before, after] = [clean.split(":"), now.split(":")];
  const changed = [
    ...after.filter((name) => !before.includes(name)),
    ...before.filter((name) => !after.includes(name)).map((name) => `no ${name}`),
  ];
  return changed.length === 0 ? "" : `options changed (${changed.join(", ")})`;
}

function newIn(clean: readonly string[], now: readonly string[]): number {
  return now.filter((line) => !clean.includes(line)).length;
}

function counted(count: number, [one, several]: Words): string {
  return count === 0 ? "" : `${count} ${count === 1 ? one : several}`;
}
