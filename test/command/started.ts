import type { CommandPart } from "../../src/core/action.ts";

/** What is started of the parts when every program ends with this status. */
export function started(parts: readonly CommandPart[], status: 0 | 1): readonly string[] {
  const argv: (readonly string[])[] = [];
  let skipped = false;
  for (const part of parts) {
    if (part.join === "then") skipped = false;
    // What is left out keeps the status that it was left out for.
    if (part.join === "and") skipped = status === 1;
    if (part.join === "or") skipped = status === 0;
    if (!skipped) argv.push(part.argv);
  }
  return inNoOrder(argv);
}

/** Programs of a pipe are started in no order. */
export function inNoOrder(argv: readonly (readonly string[])[]): readonly string[] {
  return argv
    .map((words) => JSON.stringify(words))
    .toSorted((left, right) => (left < right ? -1 : 1));
}
