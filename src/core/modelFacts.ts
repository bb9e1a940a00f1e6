import type { Usage } from "./records.ts";
import type { Price, Profile } from "./profileRecord.ts";

interface ModelFacts {
  /** The beginning of the model's name. */
  readonly name: string;
  readonly price: Price;
  readonly contextTokens: number;
}

/** List prices in US dollars for a million tokens and windows in tokens, as their makers publish them. A profile's `prices` go before. */
const known: readonly ModelFacts[] = [
  model("gpt-5-nano", [0.05, 0.005, 0.4], 400_000),
  model("gpt-5-mini", [0.25, 0.025, 2], 400_000),
  model("gpt-5", [1.25, 0.125, 10], 400_000),
  model("gpt-4.1-nano", [0.1, 0.025, 0.4], 1_047_576),
  model("gpt-4.1-mini", [0.4, 0.1, 1.6], 1_047_576),
  model("gpt-4.1", [2, 0.5, 8], 1_047_576),
  model("gpt-4o-mini", [0.15, 0.075, 0.6], 128_000),
  model("gpt-4o", [2.5, 1.25, 10], 128_000),
  model("o4-mini", [1.1, 0.275, 4.4], 200_000),
  model("o3", [2, 0.5, 8], 200_000),
  model("demo", [0, 0, 0], 128_000),
];

const usualContextTokens = 128_000;

function model(
  name: string,
  [input, cachedInput, output]: readonly [number, number, number],
  contextTokens: number,
): ModelFacts {
  return { name, price: { input, cachedInput, output }, contextTokens };
}

/** Null when neither the profile nor the table knows the model. */
export function priceOf(name: string, profile: Profile): Price | null {
  return profile.prices[name] ?? factsOf(name)?.price ?? null;
}

export function contextTokensOf(name: string, profile: Profile): number {
  return profile.contextTokens ?? factsOf(name)?.contextTokens ?? usualContextTokens;
}

/** US dollars. Cached tokens are among the input tokens. */
export function costOf(usage: Usage, price: Price): number {
  const fresh = usage.inputTokens - usage.cachedTokens;
  const sum =
    fresh * price.input +
    usage.cachedTokens * price.cachedInput +
    usage.outputTokens * price.output;
  return sum / 1_000_000;
}

function factsOf(name: string): ModelFacts | undefined {
  return known.find((facts) => name === facts.name || name.startsWith(`${facts.name}-`));
}
