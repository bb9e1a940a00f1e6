import type { Profile, Verdict } from "./records.ts";

/** An opinion on one tool; `null` is no opinion. */
export type Policy = (tool: string) => Verdict | null;

/** The strictest opinion wins: deny, then ask, then allow. No opinion at all means ask. */
export function combine(policies: readonly Policy[]): (tool: string) => Verdict {
  return (tool) => {
    const opinions = new Set(policies.map((policy) => policy(tool)));
    if (opinions.has("deny")) return "deny";
    if (opinions.has("ask")) return "ask";
    return opinions.has("allow") ? "allow" : "ask";
  };
}

/** What a profile's rules say, with questions turned into denials when nobody is there to answer. */
export function profilePolicy(profile: Profile): (tool: string) => Verdict {
  const decide = combine([
    (tool) => (profile.tools.includes(tool) ? null : "deny"),
    (tool) => profile.rules[tool] ?? null,
  ]);
  return (tool) => {
    const verdict = decide(tool);
    return verdict === "ask" && profile.unattended ? "deny" : verdict;
  };
}
