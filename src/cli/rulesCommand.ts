import * as z from "zod";
import { rule, ruleSentence, type Rule } from "../core/rule.ts";
import type { Identity } from "../core/records.ts";
import { ruleLines } from "../core/ruleLines.ts";
import type { Rules } from "../core/sessions.ts";
import type { Arguments } from "./arguments.ts";
import type { Command } from "./command.ts";
import { exitCodes } from "./exitCodes.ts";
import { parseJson } from "./parseOverride.ts";
import { plain } from "./plain.ts";
import { usageError } from "./usageError.ts";

/** `cairn rules`, and what changes them. Throws `usage.invalid`. */
export function rulesCommand({ rest, values }: Arguments, by: Identity): Command {
  const [what = "list", given = ""] = rest;
  const say = (sentence: string, facts: object): void => {
    process.stdout.write(values.json ? `${JSON.stringify(facts)}\n` : plain(`${sentence}\n`));
  };
  switch (what) {
    case "list":
      return done(async (rules) => {
        const list = await rules.list();
        say(ruleLines(list).join("\n"), list);
      });
    case "add": {
      const added = parseRule(given);
      return done(async (rules) => {
        await rules.add(added, by);
        say(`Added: ${ruleSentence(added)}`, { added });
      });
    }
    case "remove":
      return done(async (rules) => {
        await rules.remove(given, by);
        say(`The rule ${given} is removed.`, { removed: given });
      });
    case "revoke-all":
      return done(async (rules) => {
        const revoked = await rules.revokeAll(by);
        say(`Revoked: ${revoked}. Nothing that was granted counts any more.`, { revoked });
      });
    default:
      throw usageError(
        `There is no cairn rules ${what}. Use: cairn rules, rules add RULE, rules remove ID, or rules revoke-all`,
      );
  }
}

function done(work: (rules: Rules) => Promise<void>): Command {
  return async (open) => {
    await work(open().rules);
    return exitCodes.done;
  };
}

const example = `'{"id":"no-push","decision":"deny","tool":"exec","command":{"words":["git","push"],"more":true}}'`;

function parseRule(text: string): Rule {
  const parsed = rule.safeParse(parseJson(text)?.value);
  if (parsed.success) return parsed.data;
  throw usageError(
    `That is no rule. One is JSON, like ${example}: ${z.prettifyError(parsed.error)}`,
  );
}
