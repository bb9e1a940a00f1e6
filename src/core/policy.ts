import type { Action, CommandPart } from "./action.ts";
import type { Permissions, Ruling } from "./ports.ts";
import type { Profile, Verdict } from "./records.ts";
import { noRules, ruleSentence, type Rule, type RuleSet, type ScopedRule } from "./rule.ts";

/** What is decided one by one: a part of a command, or the whole of what has no parts. */
type Target =
  | { readonly kind: "whole" }
  /** A command of which it is not certain what would run. */
  | { readonly kind: "unread" }
  | { readonly kind: "part"; readonly part: CommandPart };

interface Opinion {
  readonly verdict: Verdict;
  readonly by: ScopedRule;
}

const strictness = { allow: 0, ask: 1, deny: 2 } as const;

/**
 * Decides on an action: of all rules that fit, deny goes before ask and ask before allow; where
 * none fits, the profile's default for the risk. Each part of a command is decided by itself, and
 * the strictest counts. What a profile denies by default no rule allows; rules of a folder never
 * allow; and while some rules cannot be read nothing is allowed. `folder` is the user's.
 */
export function decide(action: Action, profile: Profile, set: RuleSet, folder: string): Ruling {
  const ruling = openly(action, profile, set, folder);
  if (ruling.verdict === "allow" && set.doubt !== null) {
    return attended({ verdict: "ask", rule: null, why: set.doubt }, profile);
  }
  return attended(ruling, profile);
}

/** Decides by the profile alone. */
export function profilePermissions(profile: Profile): Permissions {
  return { decide: async (action) => decide(action, profile, noRules, "") };
}

/** A question that nobody is there to answer is a no. */
function attended(ruling: Ruling, { unattended }: Profile): Ruling {
  if (ruling.verdict !== "ask" || !unattended) return ruling;
  return { ...ruling, verdict: "deny", why: `${ruling.why} Nobody is there to answer.` };
}

function openly(action: Action, profile: Profile, set: RuleSet, folder: string): Ruling {
  if (!profile.tools.includes(action.tool)) {
    const why = `The profile ${profile.name} has no tool ${action.tool}.`;
    return { verdict: "deny", rule: null, why };
  }
  const own = profileRules(profile);
  const rules = own.length === 0 ? set.rules : [...own, ...set.rules];
  const concerned = { action, profile, rules, folder };
  let strictest: Ruling | null = null;
  for (const target of targetsOf(action)) {
    const ruling = decideTarget(target, concerned);
    const stricter =
      strictest === null || strictness[ruling.verdict] > strictness[strictest.verdict];
    if (stricter) strictest = ruling;
  }
  return strictest ?? byDefault("ask", action, profile);
}

function targetsOf({ command }: Action): readonly Target[] {
  if (command === undefined) return [{ kind: "whole" }];
  if (command === null) return [{ kind: "unread" }];
  return command.map((part) => ({ kind: "part", part }));
}

/** What a decision is made on. */
interface Concerned {
  readonly action: Action;
  readonly profile: Profile;
  readonly rules: readonly ScopedRule[];
  readonly folder: string;
}

function decideTarget(target: Target, { action, profile, rules, folder }: Concerned): Ruling {
  const usual = defaultOf(target, action, profile);
  if (usual === "deny") return byDefault("deny", action, profile);
  const guarded = guardedPlace(target, profile);
  if (guarded !== null) return { verdict: "deny", rule: null, why: guarded };
  const found = rules.reduce<Opinion | null>((strictest, by) => {
    const verdict = concerns(by, action, folder) ? opinion(by.rule, action, target) : null;
    if (verdict === null) return strictest;
    const stricter = strictest === null || strictness[verdict] > strictness[strictest.verdict];
    return stricter ? { verdict, by } : strictest;
  }, null);
  if (found === null) return byDefault(usual, action, profile);
  const { verdict, by } = found;
  const sentence = ruleSentence(by.rule);
  const unsure = verdict !== by.rule.decision ? " It is not certain what this command runs." : "";
  return {
    verdict,
    rule: { id: by.rule.id, scope: by.scope, sentence },
    why: `${scopeWords[by.scope]}: ${sentence}${unsure}`,
  };
}

const scopeWords = {
  managed: "A rule of this machine",
  user: "A rule of yours",
  workspace: "A rule of this folder",
  session: "A rule of this session",
} as const;

/** A profile without defaults is of a session from before there were any: it asks. */
function defaultOf(target: Target, action: Action, { defaults }: Profile): Verdict {
  if (defaults === undefined) return "ask";
  if (target.kind !== "whole" && defaults.commands !== undefined) return defaults.commands;
  const reads = target.kind === "part" && target.part.effect === "reads";
  // A class that is not known is no reason to allow anything.
  return defaults[reads ? "R0" : action.risk] ?? "ask";
}

function byDefault(verdict: Verdict, { tool, risk }: Action, { name }: Profile): Ruling {
  const verbs = { allow: "allows", ask: "asks before", deny: "denies" } as const;
  const why = `The profile ${name} ${verbs[verdict]} ${tool} by default (${riskWords[risk] ?? risk}).`;
  return { verdict, rule: null, why };
}

const riskWords = {
  R0: "it only reads",
  R1: "it changes the session's own copy",
  R2: "it changes your files",
  R3: "it leaves this machine",
  R4: "it changes what governs the agent",
} as const;

/** Where commands are asked about at all, nothing opens a place of secrets or a device. */
function guardedPlace(target: Target, { defaults }: Profile): string | null {
  if (target.kind !== "part") return null;
  const { effect, argv } = target.part;
  const asks = (defaults?.commands ?? defaults?.R1) !== "allow";
  if (!asks || (effect !== "secret" && effect !== "device")) return null;
  const what = effect === "secret" ? "a place where secrets lie" : "a device";
  return `${argv[0]} names ${what}.`;
}

/** Whether a rule can have a say at all. */
function concerns({ rule, scope }: ScopedRule, action: Action, folder: string): boolean {
  if (scope === "workspace" && rule.decision === "allow") return false;
  if (rule.tool !== "*" && rule.tool !== action.tool) return false;
  if (rule.session !== undefined && rule.session !== action.session) return false;
  return rule.folder === undefined || rule.folder === folder;
}

/** What a rule says of a target; null when it says nothing. */
function opinion(rule: Rule, action: Action, target: Target): Verdict | null {
  const { decision, path, command } = rule;
  if (path !== undefined) {
    const { paths } = action;
    const lies = (one: string): boolean =>
      path.endsWith("/") ? one.startsWith(path) : one === path;
    const fits = decision === "allow" ? paths.length > 0 && paths.every(lies) : paths.some(lies);
    return fits ? decision : null;
  }
  if (command === undefined) return decision;
  if (target.kind === "whole") return null;
  if (target.kind === "unread") return decision === "allow" ? null : "ask";
  return begins(target.part.argv, command, decision) ? decision : null;
}

/**
 * To forbid a program is to forbid it under each of its paths; to allow it is to allow what was
 * named. A plain loop: it runs for every rule, and what it left behind would be most of a decision.
 */
function begins(
  argv: readonly string[],
  { words, more }: NonNullable<Rule["command"]>,
  decision: Verdict,
): boolean {
  if (argv.length < words.length || (!more && argv.length > words.length)) return false;
  for (let index = 0; index < words.length; index += 1) {
    const given = argv[index];
    if (given === words[index]) continue;
    const elsewhere = index === 0 && decision !== "allow";
    if (!elsewhere || given?.split("/").at(-1) !== words[index]) return false;
  }
  return true;
}

/** What a profile says of single tools is a rule of its session. */
function profileRules({ rules }: Profile): readonly ScopedRule[] {
  return Object.entries(rules).map(([tool, decision]) => ({
    rule: { id: `profile.${tool}`, decision, tool },
    scope: "session",
  }));
}
