import { CairnError } from "./errors.ts";
import type { CallView, SessionView } from "./replay.ts";

/** The copy as the session started with it, and as it is now. */
export const treeNames = { start: "start", now: "now" };

/**
 * The tree that a step left: by its id, by the end of its id, by `start` or by `now`. Throws
 * `selector.unknown` and `selector.ambiguous` with the choices, `snapshot.missing` when the copy was
 * made later.
 */
export function treeAt(view: SessionView, selector: string): string {
  if (selector === treeNames.start) return made(view.baseTree, selector);
  if (selector === treeNames.now) return made(view.tree, selector);
  const calls = view.turns.flatMap((turn) => turn.calls);
  const exact = calls.find(({ step }) => step === selector);
  const fitting = calls.filter(({ step }) => step.endsWith(`/${selector}`));
  const [found, other] = exact === undefined ? fitting : [exact];
  if (found === undefined) {
    const choices = [treeNames.start, ...changing(calls), treeNames.now].join(", ");
    throw new CairnError(
      "selector.unknown",
      `There is no step ${selector} in session ${view.session}. Steps that changed files: ${choices}.`,
    );
  }
  if (other !== undefined) {
    const choices = fitting.map(({ step }) => step).join(", ");
    throw new CairnError("selector.ambiguous", `${selector} fits several steps: ${choices}.`);
  }
  return made(found.treeAfter, selector);
}

function changing(calls: readonly CallView[]): readonly string[] {
  return calls.flatMap(({ step, treeBefore, treeAfter }) =>
    treeBefore === treeAfter ? [] : [step],
  );
}

function made(tree: string, selector: string): string {
  if (tree !== "") return tree;
  throw new CairnError(
    "snapshot.missing",
    `No files are recorded at ${selector}: the copy of the folder was made later. Choose a later step.`,
  );
}
