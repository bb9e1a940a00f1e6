import type { CommandPart } from "../core/action.ts";

/** Directories of the system alone, so that nothing of the workspace is ever found by its name. */
const systemPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

function operatorOf(join: NonNullable<CommandPart["join"]>): string {
  switch (join) {
    case "then":
      return ";";
    case "and":
      return "&&";
    case "or":
      return "||";
    case "pipe":
      return "|";
  }
}

/** One word, whatever is in it, as any shell takes it. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** The parts as a list of quoted words, each as `form` has it. */
function listOf(parts: readonly CommandPart[], form: (words: string) => string): string {
  return parts
    .map(({ run, join, streams = [] }) => {
      const words = [form(run.map(quoted).join(" ")), ...streams].join(" ");
      return join === null ? words : `${operatorOf(join)} ${words}`;
    })
    .join(" ");
}

type Variables = Readonly<Record<string, string>>;

/** A line for a bash that nothing has touched. */
export function exported(variables: Variables): string {
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}=${quoted(value)}\n`)
    .join("");
}

/**
 * For a bash that nothing has touched: each part by `execve`, since `exec` knows no function, alias
 * or builtin, with `variables` and what is always the same.
 */
export function bashText(
  parts: readonly CommandPart[],
  cwd: string,
  variables: Variables = {},
): string {
  const script = `${exported(variables)}export PATH=${systemPath} LANG=C.UTF-8 HOME=/nonexistent; export -n PWD OLDPWD SHLVL
${listOf(parts, (words) => `(exec -- ${words})`)}`;
  const inside = `(\\builtin exec -c "$BASH" --noprofile --norc -p -c ${quoted(script)} bash </dev/null)`;
  return there(cwd, inside);
}

/** For the built-in shell, which has no programs but its own. */
export function embeddedText(parts: readonly CommandPart[], cwd: string): string {
  return there(
    cwd,
    listOf(parts, (words) => words),
  );
}

/** A directory that is none leaves the shell at the root, which is how that is known. */
function there(cwd: string, list: string): string {
  return `if \\builtin cd -- ${quoted(cwd)} 2>/dev/null; then\n${list}\nelse \\builtin cd /; fi`;
}

/** False where {@link bashText} or {@link embeddedText} found no directory. */
export function wasThere(cwd: string, left: string): boolean {
  return left !== "/" || /^\/+$/u.test(cwd);
}

/** The parts as people read them: what was written, with quotes where a word needs them. */
export function shownParts(parts: readonly CommandPart[]): string {
  return parts
    .map(({ argv, join, streams = [] }) => {
      const words = argv.map((word) => (/^[\w%+,./:=@-]+$/u.test(word) ? word : quoted(word)));
      const operator = join === null ? "" : join === "then" ? "; " : ` ${operatorOf(join)} `;
      return operator + [...words, ...streams].join(" ");
    })
    .join("");
}
