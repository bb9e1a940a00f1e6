import { explainRecord } from "../core/explain.ts";
import type { SessionRecord } from "../core/records.ts";
import { escaped, inline } from "./plainMarkdown.ts";

/** Digests are told apart by less, and a value is shown to be recognised, not to be read. */
const shownCharacters = 80;

/**
 * Why the steps of a block ran or were served: the whole of it for one step, a line each for more.
 * Markdown in which nothing that a model wrote is more than text. Empty when nothing is on record.
 */
export function explanationText(
  records: readonly SessionRecord[],
  steps: readonly string[],
): string {
  const explained = steps.flatMap((step) => {
    const record = records.findLast((one) => one.kind === "step.completed" && one.step === step);
    return record?.kind === "step.completed" ? [explainRecord(record)] : [];
  });
  const [only] = explained;
  if (only === undefined) return "";
  if (steps.length > 1) {
    return explained.map(({ step, why }) => `- ${inline(step)}: ${escaped(why)}`).join("\n");
  }
  const { step, why, key, inputs } = only;
  return [
    `**${inline(step)}**`,
    "",
    escaped(why),
    "",
    `Key ${inline(key)}`,
    "",
    ...inputs.map(({ name, value, changed }) => {
      const mark = changed ? " **changed**" : "";
      return `- ${inline(name)}${mark}: ${inline(bounded(value))}`;
    }),
  ].join("\n");
}

function bounded(value: string): string {
  return value.length > shownCharacters ? `${value.slice(0, shownCharacters - 1)}…` : value;
}
