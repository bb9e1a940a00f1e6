import type { CommandPart } from "../../src/core/action.ts";
import type { CommandReader } from "../../src/core/ports.ts";

const joins = { ";": "then", "&&": "and", "||": "or", "|": "pipe" } as const;
const reading = new Set(["cat", "ls", "head", "wc", "grep"]);

/** Words at spaces, and nothing that a shell would do more with than that. */
export const fakeCommandReader: CommandReader = {
  read: (text) => {
    const parts: CommandPart[] = [];
    let words: string[] = [];
    let join: CommandPart["join"] = null;
    for (const word of [...text.split(" "), ";"]) {
      if (!/^(?:[\w./=:,@-]+|;|&&|\|\|?)$/.test(word)) return null;
      if (!isJoin(word)) {
        words.push(word);
        continue;
      }
      if (words.length === 0) return null;
      parts.push({ argv: words, run: words, join, effect: effectOf(words) });
      words = [];
      join = joins[word];
    }
    return parts;
  },
};

function isJoin(word: string): word is keyof typeof joins {
  return Object.hasOwn(joins, word);
}

function effectOf([program = "", ...rest]: readonly string[]): CommandPart["effect"] {
  if (rest.some((word) => word === ".env")) return "secret";
  if (rest.some((word) => word.startsWith("/dev/"))) return "device";
  const inside = rest.every((word) => !word.startsWith("/") && !word.includes(".."));
  return reading.has(program) && inside ? "reads" : "unknown";
}
