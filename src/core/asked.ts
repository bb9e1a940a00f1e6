import { describeApply, describeUndo, runApply, runUndo } from "./apply.ts";
import type { Flow } from "./flow.ts";
import type { WorkspaceTrees, World } from "./ports.ts";
import type { SessionRecord } from "./records.ts";
import type { SessionView } from "./replay.ts";
import { standing, type Asked } from "./sessionFacts.ts";

interface AskedContext {
  readonly flow: Flow;
  readonly world: World;
  readonly trees: WorkspaceTrees;
  readonly view: SessionView;
  /** The records without those of the request itself. */
  readonly before: readonly SessionRecord[];
}

/** Does what was asked of a session beside its flow, and says in a sentence what came of it. Throws `Parked`. */
export async function runAsked({ kind, id }: Asked, context: AskedContext): Promise<string> {
  const { flow, world, trees, view, before } = context;
  const { baseTree: base, tree, spec } = view;
  if (kind === "apply") {
    const { unattended } = spec.profile;
    const applied = await runApply({ flow, world, trees, base, tree, unattended }, id);
    return applied === null ? "Nothing was applied." : describeApply(applied);
  }
  for (const { what, of, base: from, tree: to, paths } of standing(before)) {
    const back = { flow, world, trees, base: to, tree: from, paths, of, what };
    const taken = await runUndo(back, id);
    if (taken !== null) return describeUndo(taken);
    // Files that are to stay as an undo left them do not keep the apply before it from being taken back.
    if (what === "apply") break;
  }
  return "Nothing was taken back.";
}
