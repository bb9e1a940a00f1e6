import type { CommandPart } from "../core/action.ts";
import type { CommandReader } from "../core/ports.ts";
import { worst } from "./grammar.ts";
import { readGit } from "./git.ts";
import { effectOfPath, effectOfWord, type PlaceEffect } from "./places.ts";
import { readers } from "./readers.ts";
import { shellWords } from "./shellWords.ts";
import type { Spoken } from "./spoken.ts";
import { readSyntax } from "./syntax.ts";
import { readWords } from "./words.ts";

/** A name or a path as programs have it: nothing that a shell could take for something else. */
const programName = /^[\w./][\w./+-]*$/u;

/** Their first word is a text in a language of their own, in which `.env` is a field. */
const takesScript: ReadonlySet<string> = new Set(["awk", "gawk", "jq", "perl", "sed", "yq"]);

/**
 * Reads a command line twice, by rules of our own and by `unbash`: only what both read alike is
 * certain. What each program then does is known by a grammar of its arguments, or not at all.
 */
export function commandReader(): CommandReader {
  return {
    read: (text, cwd) => {
      const spoken = readWords(text);
      if (spoken === null || !spoken.every(isProgram)) return null;
      if (JSON.stringify(spoken) !== JSON.stringify(readSyntax(text))) return null;
      return spoken.map((part) => judged(part, cwd));
    },
  };
}

function isProgram({ argv: [name = ""] }: Spoken): boolean {
  return programName.test(name) && !shellWords.has(name);
}

function judged(part: Spoken, cwd: string): CommandPart {
  const argv = [...part.argv];
  const [name = "", ...args] = argv;
  if (name === "git") {
    const { effect, run } = readGit(args, cwd);
    return { ...part, argv, run: [...(run ?? argv)], effect };
  }
  return { ...part, argv, run: runOf(argv), effect: effectOf(name, args, cwd) };
}

function effectOf(name: string, args: readonly string[], cwd: string): PlaceEffect {
  const judge = readers.get(name);
  // Many programs read where they are.
  const here = effectOfPath(".", cwd);
  if (judge !== undefined) return worst([judge(args, cwd), here]);
  const script = takesScript.has(name) ? args.findIndex((word) => !word.startsWith("-")) : -1;
  const words = args.filter((_, at) => at !== script);
  return worst(["unknown", ...words.map((word) => effectOfWord(word, cwd))]);
}

/** ripgrep would read a file of settings that an earlier command may have made. */
function runOf(argv: readonly string[]): string[] {
  const [name = "", ...args] = argv;
  return name === "rg" ? [name, "--no-config", ...args] : [...argv];
}
