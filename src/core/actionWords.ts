import type { Action, RiskClass } from "./action.ts";
import type { Tightening } from "./backtest.ts";
import type { GrantOffer, WaitFacts } from "./sessions.ts";

/** What may come of an action, for people. */
export const riskWords: Readonly<Record<RiskClass, string>> = {
  R0: "It only reads.",
  R1: "It changes the session's own copy, not your files.",
  R2: "It changes your files.",
  R3: "It leaves this machine.",
  R4: "It changes what governs the agent: rules, secrets, skills or images.",
};

/** What an approval of a call asks: of a typed service by its own name, and its action where that is one plain word. */
export function callQuestion({ tool, service: call }: Action): string {
  if (call === undefined) return `Run ${tool}?`;
  const { service, args } = call;
  const action = typeof args === "object" && !Array.isArray(args) ? args?.["action"] : undefined;
  const isWord = typeof action === "string" && /^[\w.-]{1,40}$/.test(action);
  return isWord ? `Call ${service} (${action})?` : `Call ${service}?`;
}

/** What an action is given of the network and of secrets, by name. */
export function reachWords({ network, secrets }: Action["place"]): string {
  if (network.length === 0 && secrets.length === 0) return "No network, no secrets";
  const rules = network.length === 0 ? "No network" : `Network: ${network.join(", ")}`;
  const names = secrets.length === 0 ? "no secrets" : `secrets: ${secrets.join(", ")}`;
  return `${rules}; ${names}`;
}

/** What the operator decided on alike actions before; null where there were none. */
export function alikeWords({ approved, rejected }: WaitFacts["alike"]): string | null {
  if (approved + rejected === 0) return null;
  return `You approved ${approved} alike before, and rejected ${rejected}.`;
}

/** What a wider yes is chosen by. */
export const grantWords: Readonly<Record<GrantOffer["grant"], string>> = {
  session: "This Session…",
  always: "Always Here…",
  ready: "Ready Rule…",
};

/** What the rule of a wider yes would have done so far. */
export function pastWords({ seen, passed, rejected }: GrantOffer["past"]): string {
  if (seen === 0) return "Nothing in this folder's history is a case of it yet.";
  const bad = rejected === 0 ? "" : `, ${rejected} of them you rejected`;
  return `It would have passed ${passed} of ${seen} actions in this folder so far${bad}.`;
}

/** What rules that only tighten would have done so far. */
export function tighteningWords({ seen, denied, asked }: Tightening): string {
  if (seen === 0) return "Nothing in this folder's history is a case of it yet.";
  return `Its new rules would have denied ${denied} and asked before ${asked} of ${seen} actions in this folder so far.`;
}

/** What alike calls have in common, for people: the service, or the tool and the program. */
export function alikeName(tool: string, action: Action | undefined): string {
  const program = programOf(action);
  return program === null ? (action?.service?.service ?? tool) : `${tool} with ${program}`;
}

/** The program that a command runs, when it is certain and the first of it; null for all else. */
export function programOf(action: Action | undefined): string | null {
  return action?.command?.[0]?.argv[0] ?? null;
}
