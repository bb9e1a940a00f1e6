import type { SessionView } from "../core/replay.ts";
import { amount } from "../core/spending.ts";

/** What a session paid for, in one line; empty when it paid for nothing. */
export function totals({ usage, cost, spec }: SessionView): string {
  const { inputTokens, outputTokens, cachedTokens } = usage;
  if (inputTokens + outputTokens === 0) return "";
  const cached = cachedTokens === 0 ? "" : ` (${cachedTokens.toLocaleString("en")} cached)`;
  const price =
    cost === null
      ? `no price is known for ${spec.model.name}`
      : cost === 0
        ? "at no cost"
        : amount("money", cost);
  return `Paid for: ${inputTokens.toLocaleString("en")} input${cached} and ${outputTokens.toLocaleString("en")} output tokens, ${price}.`;
}
