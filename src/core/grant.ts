import type { Action, CommandPart } from "./action.ts";
import type { World } from "./ports.ts";
import type { Decision } from "./records.ts";
import { ruleSentence, type Rule } from "./rule.ts";

export type GrantKind = NonNullable<Decision["grant"]>;

/** A wider yes: the rules that it would be, and what they say. */
export interface Grant {
  readonly grant: GrantKind;
  readonly rules: readonly Rule[];
  readonly sentence: string;
}

/**
 * What a yes to an action could be widened to. A command for exactly its words, where they were
 * read; of other tools every call. Not for what governs the agent, and what leaves the machine only
 * for a session. `folder` is the user's.
 */
export function grantsFor(world: World, action: Action, folder: string): readonly Grant[] {
  const allowed = rulesFor(action);
  if (allowed === null) return [];
  const kinds: readonly GrantKind[] = action.risk === "R3" ? ["session"] : ["session", "always"];
  return kinds.map((grant) => {
    const bound = grant === "session" ? { session: action.session } : { folder };
    const rules = allowed.map((one) => named(world, one, bound));
    return { grant, rules, sentence: rules.map(ruleSentence).join(" ") };
  });
}

/** The same rule has the same id, so that granting it twice is granting it once. */
function named(
  world: World,
  { tool, command }: Pick<Rule, "tool" | "command">,
  bound: Pick<Rule, "session" | "folder">,
): Rule {
  const words = command === undefined ? {} : { command };
  const rule = { decision: "allow" as const, tool, ...words, ...bound };
  return { id: `granted-${world.digest(JSON.stringify(rule)).slice(0, 12)}`, ...rule };
}

/** Null where nothing is certain enough to be allowed for more than once. */
function rulesFor({
  tool,
  risk,
  command,
}: Action): readonly Pick<Rule, "tool" | "command">[] | null {
  if (risk === "R2" || risk === "R4") return null;
  if (command === undefined) return [{ tool }];
  if (command === null) return null;
  const asked = command.filter(({ effect }) => effect !== "reads");
  if (asked.some(({ effect }) => effect !== "unknown")) return null;
  const parts = asked.length === 0 ? command : asked;
  return distinct(parts).map((argv) => ({ tool, command: { words: [...argv], more: false } }));
}

function distinct(parts: readonly CommandPart[]): readonly (readonly string[])[] {
  return [...new Map(parts.map(({ argv }) => [argv.join("\0"), argv])).values()];
}
