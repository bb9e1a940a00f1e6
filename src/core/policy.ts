import type { Action, CommandPart, ServiceCall } from "./action.ts";
import { canonical } from "./canonical.ts";
import type { EgressRequest } from "./egress.ts";
import { covers, isNamed, mayCover } from "./egressFit.ts";
import type { Permissions, Ruling } from "./ports.ts";
import type { JsonValue } from "./records.ts";
import type { Profile, Verdict } from "./profileRecord.ts";
import { serviceRefusal, serviceVerdict } from "./serviceGrant.ts";
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
 * the strictest counts. What a profile denies by default no rule allows but its own for what may
 * leave; rules of a folder never allow; and while some rules cannot be read nothing is allowed. `folder` is the user's.
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
  if (action.egress === undefined && !profile.tools.includes(action.tool)) {
    const why = `The profile ${profile.name} has no tool ${action.tool}.`;
    return { verdict: "deny", rule: null, why };
  }
  const refused = action.service === undefined ? null : serviceRefusal(profile, action.service);
  if (refused !== null) return { verdict: "deny", rule: null, why: refused };
  const rules = rulesFor(action, profile, set, folder);
  let strictest: Ruling | null = null;
  for (const target of targetsOf(action)) {
    const ruling = decideTarget(target, action, profile, rules);
    const stricter =
      strictest === null || strictness[ruling.verdict] > strictness[strictest.verdict];
    if (stricter) strictest = ruling;
  }
  return strictest ?? byDefault("ask", action, profile);
}

/**
 * Rules that may have a say in actions of this tool and session, the profile's own among them. What
 * a profile denies to leave only its own proxy rules let out.
 */
export function rulesFor(
  { tool, session }: Pick<Action, "tool" | "session">,
  profile: Profile,
  set: RuleSet,
  folder: string,
): readonly ScopedRule[] {
  const sealed = tool === "egress" && profile.defaults?.R3 === "deny";
  const others = sealed ? set.rules.filter(({ rule }) => rule.decision !== "allow") : set.rules;
  const own = profileRules(profile);
  const about = { tool, session };
  const all = own.length === 0 ? others : [...own, ...others];
  return all.filter((one) => concerns(one, about, folder));
}

function targetsOf({ command }: Action): readonly Target[] {
  if (command === undefined) return [{ kind: "whole" }];
  if (command === null) return [{ kind: "unread" }];
  return command.map((part) => ({ kind: "part", part }));
}

function decideTarget(
  target: Target,
  action: Action,
  profile: Profile,
  rules: readonly ScopedRule[],
): Ruling {
  const usual = defaultOf(target, action, profile);
  const isRequest = action.egress !== undefined;
  if (usual === "deny" && !isRequest) return byDefault("deny", action, profile);
  const guarded = guardedPlace(target, profile);
  if (guarded !== null) return { verdict: "deny", rule: null, why: guarded };
  const found = rules.reduce<Opinion | null>((strictest, by) => {
    const verdict = opinion(by.rule, action, target);
    if (verdict === null) return strictest;
    const stricter = strictest === null || strictness[verdict] > strictness[strictest.verdict];
    return stricter ? { verdict, by } : strictest;
  }, null);
  if (found === null || (usual === "deny" && found.verdict === "ask")) {
    return byDefault(usual, action, profile);
  }
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
function defaultOf(target: Target, action: Action, profile: Profile): Verdict {
  const { defaults } = profile;
  if (defaults === undefined) return "ask";
  if (target.kind !== "whole" && defaults.commands !== undefined) return defaults.commands;
  const reads = target.kind === "part" && target.part.effect === "reads";
  // A class that is not known is no reason to allow anything.
  const usual = defaults[reads ? "R0" : action.risk] ?? "ask";
  // What leaves the sandbox does so by a rule that says what.
  if (action.egress !== undefined && usual === "allow") return "ask";
  return usual === "deny" ? usual : (serviceVerdict(action, profile) ?? usual);
}

function byDefault(verdict: Verdict, action: Action, { name }: Profile): Ruling {
  const { risk } = action;
  const tool = action.egress === undefined ? action.tool : "requests without a rule";
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
function concerns(
  { rule, scope }: ScopedRule,
  action: Pick<Action, "tool" | "session">,
  folder: string,
): boolean {
  if (scope === "workspace" && rule.decision === "allow") return false;
  if (rule.tool !== "*" && rule.tool !== action.tool) return false;
  if (rule.session !== undefined && rule.session !== action.session) return false;
  return rule.folder === undefined || rule.folder === folder;
}

/** What a rule says of a target; null when it says nothing. */
function opinion(rule: Rule, action: Action, target: Target): Verdict | null {
  const { decision, path, command, service } = rule;
  if (action.egress !== undefined) return ofRequest(rule, action.egress) ? decision : null;
  if (service !== undefined) return ofCall(service, action.service) ? decision : null;
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

/** Allowed is what a rule surely covers, denied and asked about what it may cover. */
function ofRequest(rule: Rule, request: EgressRequest): boolean {
  const { decision, proxy, hosts, path, command, service } = rule;
  if (decision === "allow") return proxy !== undefined && covers(proxy, request);
  if (hosts !== undefined) return isNamed(hosts, request.host);
  if (proxy !== undefined) return mayCover(proxy, request);
  return path === undefined && command === undefined && service === undefined;
}

function ofCall(
  { name, args = {} }: NonNullable<Rule["service"]>,
  call: ServiceCall | undefined,
): boolean {
  if (call?.service !== name) return false;
  const given = new Map(isRecord(call.args) ? Object.entries(call.args) : []);
  return Object.entries(args).every(([arg, values]) => {
    const value = given.get(arg);
    return value !== undefined && values.some((one) => canonical(one) === canonical(value));
  });
}

function isRecord(value: JsonValue): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
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

/** What a profile says of single tools, and what its sandbox may reach, are rules of its session. */
function profileRules({ rules, proxy = [] }: Profile): readonly ScopedRule[] {
  const own: readonly Rule[] = [
    ...Object.entries(rules).map(([tool, decision]) => ({
      id: `profile.${tool}`,
      decision,
      tool,
    })),
    ...proxy.map((one) => ({
      id: `profile.proxy.${one.name}`,
      decision: "allow" as const,
      tool: "egress",
      proxy: one,
    })),
  ];
  return own.map((rule) => ({ rule, scope: "session" }));
}
