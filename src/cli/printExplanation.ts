import type { Explanation } from "../core/explain.ts";
import { plain } from "./plain.ts";

/** Why a step ran or was served, and every input of its key; those that differ are marked. */
export function printExplanation({ step, name, outcome, why, key, inputs }: Explanation): string {
  const width = Math.max(0, ...inputs.map((input) => input.name.length));
  const rows = inputs.map(
    (input) =>
      `${input.changed ? "*" : " "} ${input.name.padEnd(width)}  ${input.value}${input.changed ? "  (changed)" : ""}`,
  );
  return plain([`${step} (${name}): ${outcome}`, why, `key ${key}`, ...rows, ""].join("\n"));
}
