import * as z from "zod";
import { canonical } from "./canonical.ts";
import { CairnError } from "./errors.ts";
import type { Flow } from "./flow.ts";
import type { WorkspaceTrees, World } from "./ports.ts";
import type { Observed } from "./inDoubt.ts";
import { fileChange, jsonValue, type FileChange } from "./records.ts";
import { approval } from "./waits.ts";

/** What became of an apply: on record as the output of its step. */
export const applyOutput = z.object({
  applied: z.array(z.string()),
  leftAlone: z.array(z.object({ path: z.string(), reason: z.string() })),
  failure: z.nullable(z.object({ code: z.string(), message: z.string() })),
});
export type ApplyOutput = z.infer<typeof applyOutput>;

export interface ApplyContext {
  readonly flow: Flow;
  readonly world: World;
  readonly trees: WorkspaceTrees;
  readonly base: string;
  readonly tree: string;
}

/**
 * Brings the session's changes into the user's folder: plan, approval of the real diff, then the
 * write. Resolves with null when there is nothing to apply or the operator said no. Throws
 * `Parked` while the approval is open.
 */
export async function runApply(context: ApplyContext, id: string): Promise<ApplyOutput | null> {
  const { flow, world, trees, base, tree } = context;
  const changes = await flow.step(
    `${id}/plan`,
    {
      kind: "apply",
      label: "plan",
      inputs: { base, tree },
      output: z.array(fileChange),
    },
    async () => [...(await trees.plan(base, tree))],
  );
  const wanted = changes.filter((change) => change.conflict === null);
  if (wanted.length === 0) return null;
  const question = `Apply ${count(wanted.length, "change")} to your folder?`;
  const subject = { kind: "apply" as const, base, tree, changes };
  const answer = await flow.wait(`${id}/approval`, approval(question, subject));
  if (answer.ended !== null || !answer.value.approved) return null;
  return flow.step(
    id,
    {
      kind: "apply",
      label: "write",
      inputs: { base, tree, changes: world.digest(canonical(changes)) },
      output: applyOutput,
      effect: "external",
      what: `write ${count(wanted.length, "file")} into your folder: ${names(wanted)}`,
      skipped: {
        applied: [],
        leftAlone: [],
        failure: { code: "apply.skipped", message: "The operator chose not to repeat it." },
      },
      sent: wanted.map(({ path }) => path),
      observe: async () => observe(trees, { base, tree, changes }),
    },
    async () => write(trees, { base, tree, changes }),
  );
}

/** Compares the folder with what was to be written: each file is there whole, or not at all. */
async function observe(
  trees: WorkspaceTrees,
  plan: { readonly base: string; readonly tree: string; readonly changes: readonly FileChange[] },
): Promise<Observed> {
  const { wanted, leftAlone } = split(plan.changes);
  const still = new Set((await trees.plan(plan.base, plan.tree)).map(({ path }) => path));
  const applied = wanted.filter((path) => !still.has(path));
  const text = `In your folder ${applied.length} of ${count(wanted.length, "file")} ${applied.length === 1 ? "is" : "are"} as in the session.`;
  if (applied.length < wanted.length) {
    return { text, seen: applied.length === 0 ? "absent" : "partly" };
  }
  const result = jsonValue.parse({ applied, leftAlone, failure: null });
  return { text, seen: "happened", result };
}

function split(changes: readonly FileChange[]) {
  return {
    wanted: changes.flatMap(({ path, conflict }) => (conflict === null ? [path] : [])),
    leftAlone: changes.flatMap(({ path, conflict }) =>
      conflict === null ? [] : [{ path, reason: conflict }],
    ),
  };
}

/** A refusal by the file system or by the user's own edits is an outcome, not a failed session. */
async function write(
  trees: WorkspaceTrees,
  plan: { readonly base: string; readonly tree: string; readonly changes: readonly FileChange[] },
): Promise<ApplyOutput> {
  const { wanted, leftAlone } = split(plan.changes);
  try {
    await trees.apply(plan.base, plan.tree, plan.changes);
  } catch (error) {
    if (!CairnError.is(error)) throw error;
    const failure = { code: error.code, message: error.message };
    // What the plan does not name any more was written before it stopped.
    const still = new Set((await trees.plan(plan.base, plan.tree)).map(({ path }) => path));
    return { applied: wanted.filter((path) => !still.has(path)), leftAlone, failure };
  }
  return { applied: wanted, leftAlone, failure: null };
}

/** What an apply did, in one sentence. */
export function describeApply(output: ApplyOutput): string {
  const { applied, failure } = output;
  if (failure !== null && applied.length === 0) return `Nothing was applied: ${failure.message}`;
  if (failure !== null) {
    return `Applied ${count(applied.length, "file")} to your folder, then it stopped: ${failure.message}`;
  }
  const left =
    output.leftAlone.length === 0
      ? ""
      : ` ${count(output.leftAlone.length, "file")} left as it was.`;
  return `Applied ${count(applied.length, "file")} to your folder.${left}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function names(changes: readonly FileChange[]): string {
  const shown = changes.slice(0, 5).map((change) => change.path);
  return changes.length > 5 ? `${shown.join(", ")} and more` : shown.join(", ");
}
