import type { EgressRules } from "./egress.ts";
import { hostsMeet, overlap, portsOf, schemeOf } from "./egressFit.ts";
import { rulesFor } from "./policy.ts";
import type { SandboxProxyRule } from "./proxyRule.ts";
import type { Profile } from "./profileRecord.ts";
import type { Rule, RuleSet } from "./rule.ts";

/** Tool of the actions that are requests of a sandbox. */
export const egressTool = "egress";

/**
 * The rules that a session's proxy goes by, so that what it lets through is what `decide` allows.
 * A proxy cannot ask: what a rule asks about it refuses. `once` is what the operator said yes to
 * for the next command, and goes before rules that ask, never before those that deny.
 */
export function proxyRules(
  {
    profile,
    session,
    folder,
  }: {
    readonly profile: Profile;
    readonly session: string;
    readonly folder: string;
  },
  set: RuleSet,
  once: readonly SandboxProxyRule[],
): Pick<EgressRules, "allowed" | "denied"> {
  const rules = rulesFor({ tool: egressTool, session }, profile, set, folder).map(
    ({ rule }) => rule,
  );
  const denying = rules.filter(({ decision }) => decision === "deny");
  if (denying.some(isAboutAll)) return { allowed: [], denied: [] };
  const asking = rules.filter(({ decision }) => decision === "ask");
  const asksAlways = set.doubt !== null || asking.some(isAboutAll);
  const granted = asksAlways
    ? []
    : rules.flatMap(({ decision, proxy }) => (decision === "allow" ? (proxy ?? []) : []));
  const reaches = [...once, ...granted];
  const asked = asking.flatMap((rule) => proxyRulesOf(rule, reaches));
  // A rule that asks would refuse what was said yes to; so it is left out, with all else that it may be about.
  const lifted = asked.filter((rule) => once.some((yes) => overlap(rule, yes)));
  const allowed = granted.filter((rule) => lifted.every((other) => !overlap(rule, other)));
  return {
    allowed: [...once, ...allowed],
    denied: [
      ...denying.flatMap((rule) => proxyRulesOf(rule, reaches)),
      ...asked.filter((rule) => !lifted.includes(rule)),
    ],
  };
}

function isAboutAll({ proxy, hosts, command, path, service }: Rule): boolean {
  return [proxy, hosts, command, path, service].every((aspect) => aspect === undefined);
}

/** Hosts alone stand for every way to reach them that anything allows. */
function proxyRulesOf(
  { id, proxy, hosts }: Rule,
  reaches: readonly SandboxProxyRule[],
): readonly SandboxProxyRule[] {
  if (proxy !== undefined) return [proxy];
  if (hosts === undefined) return [];
  return reaches
    .filter((reach) => hostsMeet(hosts, reach.hosts))
    .map((reach) => ({
      name: nameOf(id),
      hosts: [...hosts],
      scheme: schemeOf(reach),
      ports: [...portsOf(reach)],
      methods: [...reach.methods],
      paths: ["/"],
    }));
}

/** A name that a proxy rule may have, from the id of a rule. */
function nameOf(id: string): string {
  return id
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-")
    .replace(/^-/, "0")
    .slice(0, 63);
}
