import { describeApply, describeUndo, runApply, runUndo } from "./apply.ts";
import type { Flow } from "./flow.ts";
import type { WorkspaceTrees, World } from "./ports.ts";
import type { SessionRecord } from "./records.ts";
import type { SessionView } from "./replay.ts";
import { lastApply, type Asked } from "./sessionFacts.ts";

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
  const last = lastApply(before);
  if (last === null) return "Nothing was taken back.";
  const { of, paths } = last;
  const back = { flow, world, trees, base: last.tree, tree: last.base, paths, of };
  const taken = await runUndo(back, id);
  return taken === null ? "Nothing was taken back." : describeUndo(taken);
}
