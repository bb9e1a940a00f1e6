import type { Derivation, SessionSpec } from "../core/records.ts";
import type { Budgets } from "../core/profileRecord.ts";
import type { SessionView } from "../core/replay.ts";
import { amount } from "../core/spending.ts";
import { count, duration } from "./callWords.ts";
import { inline } from "./plainMarkdown.ts";
import { whoAnswered } from "./replayAnswers.ts";

/** What a session is, what it was allowed and what it used: one line each. */
export function replayHeader(view: SessionView): readonly string[] {
  const { spec, usage, startedAt, lastAt } = view;
  const { sandbox, profile, skills, model } = spec;
  const facts: readonly (readonly [string, string])[] = [
    ["Status", status(view)],
    ["Session", inline(view.session)],
    ...madeFrom(spec),
    ...flowOf(spec),
    ["Model", inline(model.name) + (model.demo ? "" : ` at ${inline(model.url)}`)],
    ["Sandbox", sandbox.backend + (sandbox.image === null ? "" : `, ${inline(sandbox.image)}`)],
    ["Profile", inline(profile.name)],
    ["Checkpoints", profile.strategy === "calls" ? "every call" : "every turn"],
    ["Cache", caches[profile.cache]],
    ["Skills", skills === null ? "none" : inline(skills.commit ?? skills.digest.slice(0, 12))],
    [
      "Tokens",
      `${count(usage.inputTokens)} in (${count(usage.cachedTokens)} cached), ${count(usage.outputTokens)} out`,
    ],
    ["Cost", cost(view)],
    ["Budgets", budgets(profile.budgets)],
    ["Files", files(view)],
    ["Started", new Date(startedAt).toLocaleString()],
    ["Last record", `${duration(lastAt - startedAt)} later`],
  ];
  return facts.map(([name, value]) => `- ${name}: ${value}`);
}

const caches: Readonly<Record<SessionSpec["profile"]["cache"], string>> = {
  session: "within the session, its retries and replays",
  workspace: "for all sessions of the workspace",
  off: "off",
};

function status({ status: now, ended }: SessionView): string {
  const by = ended?.by;
  return by === undefined ? now : `${now} by ${whoAnswered(by)}`;
}

function madeFrom({ replayOf, derivation }: SessionSpec): readonly (readonly [string, string])[] {
  if (replayOf === null) return [];
  if (derivation === undefined) return [["Replay of", inline(replayOf)]];
  const { mode, at, overrides, skip } = derivation;
  const name = mode === "fork" ? "Fork of" : "Replay of";
  const parts = [
    inline(replayOf),
    ...(at === null ? [] : [`from ${inline(at)}`]),
    ...overrides.map(({ select, field }) => `with another ${field} of ${inline(select)}`),
    ...skip.map((step) => `without running ${inline(step)}`),
    ...(mode === "replay" ? [misses[derivation.onMiss]] : []),
  ];
  return [[name, parts.join(", ")]];
}

const misses: Readonly<Record<Derivation["onMiss"], string>> = {
  fail: "an effect that is not in the recording stops it",
  error: "an effect that is not in the recording is told to the model as an error",
  run: "an effect that is not in the recording is done",
};

/** A flow of one's own; the agent goes without saying. */
function flowOf({ flow }: SessionSpec): readonly (readonly [string, string])[] {
  if (flow === undefined || flow.name === "agent") return [];
  return [["Flow", `${inline(flow.name)}, version ${flow.version}`]];
}

function cost({ cost: dollars, spec }: SessionView): string {
  if (dollars === null) return `not known: no price is set for ${inline(spec.model.name)}`;
  return dollars === 0 ? "nothing" : amount("money", dollars);
}

function budgets(limits: Budgets): string {
  const { wallTimeMs, ...others } = limits;
  const all = [
    ...budgetNames.map((name) => ({ name, limit: others[name] })),
    { name: "wallTime" as const, limit: wallTimeMs },
  ];
  const set = all.flatMap(({ name, limit }) => {
    if (limit === null) return [];
    return [name === "sameFailure" ? `${limit} failures of one call` : amount(name, limit)];
  });
  return set.length === 0 ? "none" : set.join(", ");
}

const budgetNames = ["tokens", "money", "modelCalls", "commands", "sameFailure"] as const;

function files({ tree, baseTree, applied }: SessionView): string {
  if (tree === baseTree) return "unchanged";
  return applied ? "changed, and applied to your folder" : "changed, not applied to your folder";
}
