import type { Action, CommandPart } from "./action.ts";
import { egressTool } from "./egressRules.ts";
import type { World } from "./ports.ts";
import type { Decision } from "./records.ts";
import type { WaitSubject } from "./waitSubject.ts";
import { ruleSentence, type Rule } from "./rule.ts";

type About = Pick<Rule, "tool" | "command" | "proxy" | "service">;
type Bound = Pick<Rule, "session" | "folder">;

export type GrantKind = NonNullable<Decision["grant"]>;

/** A wider yes: the rules that it would be, and what they say. */
export interface Grant {
  readonly grant: GrantKind;
  readonly rules: readonly Rule[];
  readonly sentence: string;
  /** What proposes it, for people; null where it is what was asked for. */
  readonly from: string | null;
}

/** What a wait asks, and in which session. */
export interface AskedOf {
  readonly session: string;
  readonly subject: WaitSubject;
}

/** What a yes to an open approval could be widened to; nothing where it is a yes for once alone. */
export function offersFor(world: World, asked: AskedOf, folder: string): readonly Grant[] {
  const { session, subject } = asked;
  if (subject.kind === "egress") return egressOffers(world, { session, subject }, folder);
  const action = subject.kind === "tool" ? subject.action : undefined;
  return action === undefined ? [] : grantsFor(world, action, folder);
}

function egressOffers(
  world: World,
  {
    session,
    subject: { proxy, ready },
  }: { readonly session: string; readonly subject: Extract<WaitSubject, { kind: "egress" }> },
  folder: string,
): readonly Grant[] {
  if (proxy === undefined) return [];
  const offer = (grant: GrantKind, bound: Bound, of = proxy, from: string | null = null): Grant => {
    const rule = named(world, { tool: egressTool, proxy: of }, bound);
    return { grant, rules: [rule], sentence: ruleSentence(rule), from };
  };
  return [
    offer("session", { session }),
    offer("always", { folder }),
    ...(ready === undefined ? [] : [offer("ready", { folder }, ready.proxy, ready.from)]),
  ];
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
    return { grant, rules, sentence: rules.map(ruleSentence).join(" "), from: null };
  });
}

/** The same rule has the same id, so that granting it twice is granting it once. */
function named(world: World, about: About, bound: Bound): Rule {
  const rule = { decision: "allow" as const, ...about, ...bound };
  return { id: `granted-${world.digest(JSON.stringify(rule)).slice(0, 12)}`, ...rule };
}

/** Null where nothing is certain enough to be allowed for more than once. */
function rulesFor({ tool, risk, command, service }: Action): readonly About[] | null {
  if (risk === "R2" || risk === "R4") return null;
  if (service !== undefined) return [{ tool, service: { name: service.service } }];
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
