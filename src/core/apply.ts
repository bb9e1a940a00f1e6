import * as z from "zod";
import { canonical } from "./canonical.ts";
import { CairnError } from "./errors.ts";
import type { Flow } from "./flow.ts";
import type { WorkspaceTrees, World } from "./ports.ts";
import type { Observed } from "./inDoubt.ts";
import { fileChange, jsonValue, type FileChange } from "./records.ts";
import { approveChanges, approveUndo, count, type Approved } from "./applyApproval.ts";

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
  /** From which tree to which the folder is brought. */
  readonly base: string;
  readonly tree: string;
  /** Nobody is there to approve what has an approval of its own. */
  readonly unattended: boolean;
}

/** Paths that an apply wrote, to be taken back; the trees are those of that apply. */
export interface UndoContext extends Omit<ApplyContext, "unattended"> {
  readonly paths: readonly string[];
  /** Id of the apply's step. */
  readonly of: string;
}

/**
 * Brings the session's changes into the user's folder: plan, approval of the real diff, an approval
 * of its own for each file that something runs without asking, then the write. Resolves with null
 * when there is nothing to apply or the operator said no to all. Throws `Parked` while an approval
 * is open.
 */
export async function runApply(context: ApplyContext, id: string): Promise<ApplyOutput | null> {
  const { flow, trees, base, tree, unattended } = context;
  const changes = await flow.step(
    `${id}/plan`,
    { kind: "apply", label: "plan", inputs: { base, tree }, output: z.array(fileChange) },
    async () => [...(await trees.plan(base, tree))],
  );
  const approved = await approveChanges(flow, id, { base, tree, changes, unattended });
  if (approved.wanted.length === 0) return null;
  return writeStep(context, id, { name: "write", ...approved });
}

/**
 * Takes an apply back: what it wrote becomes again what it replaced, but for files that were
 * changed since. Resolves and throws as `runApply`.
 */
export async function runUndo(context: UndoContext, id: string): Promise<ApplyOutput | null> {
  const { flow, trees, base, tree, paths, of } = context;
  const changes = await flow.step(
    `${id}/plan`,
    { kind: "apply", label: "plan", inputs: { base, tree, of }, output: z.array(fileChange) },
    async () => [...(await trees.plan(base, tree, paths))],
  );
  const approved = await approveUndo(flow, id, { base, tree, changes });
  if (approved.wanted.length === 0) return null;
  return writeStep(context, id, { name: "undo", inputs: { of }, ...approved });
}

interface Writing extends Approved {
  readonly name: "write" | "undo";
  readonly inputs?: Readonly<Record<string, string>>;
}

async function writeStep(
  { flow, world, trees, base, tree }: Omit<ApplyContext, "unattended">,
  id: string,
  writing: Writing,
): Promise<ApplyOutput> {
  const { name, wanted, changes, inputs = {} } = writing;
  const plan = { base, tree, ...writing };
  return flow.step(
    id,
    {
      kind: "apply",
      label: name,
      inputs: { base, tree, changes: world.digest(canonical([...changes])), ...inputs },
      output: applyOutput,
      effect: "external",
      what: `write ${count(wanted.length, "file")} into your folder: ${names(wanted)}`,
      skipped: {
        applied: [],
        leftAlone: [],
        failure: { code: "apply.skipped", message: "The operator chose not to repeat it." },
      },
      sent: wanted.map(({ path }) => path),
      observe: async () => observe(trees, plan),
    },
    async () => write(trees, plan),
  );
}

interface Plan extends Writing {
  readonly base: string;
  readonly tree: string;
}

/** Which of the paths the folder does not hold yet. */
async function stillToDo(trees: WorkspaceTrees, { base, tree, wanted }: Plan) {
  const paths = wanted.map(({ path }) => path);
  const still = new Set((await trees.plan(base, tree, paths)).map(({ path }) => path));
  return { applied: paths.filter((path) => !still.has(path)), paths };
}

/** Compares the folder with what was to be written: each file is there whole, or not at all. */
async function observe(trees: WorkspaceTrees, plan: Plan): Promise<Observed> {
  const { applied, paths } = await stillToDo(trees, plan);
  const text = `In your folder ${applied.length} of ${count(paths.length, "file")} ${applied.length === 1 ? "is" : "are"} as ${plan.name === "undo" ? "before the apply" : "in the session"}.`;
  if (applied.length < paths.length) {
    return { text, seen: applied.length === 0 ? "absent" : "partly" };
  }
  const { leftAlone } = plan;
  const result = jsonValue.parse({ applied, leftAlone, failure: null });
  return { text, seen: "happened", result };
}

/** A refusal by the file system or by the user's own edits is an outcome, not a failed session. */
async function write(trees: WorkspaceTrees, plan: Plan): Promise<ApplyOutput> {
  const { base, tree, changes, wanted } = plan;
  const leftAlone = [...plan.leftAlone];
  try {
    await trees.apply(base, tree, changes);
  } catch (error) {
    if (!CairnError.is(error)) throw error;
    const failure = { code: error.code, message: error.message };
    // What the plan does not name any more was written before it stopped.
    return { applied: (await stillToDo(trees, plan)).applied, leftAlone, failure };
  }
  return { applied: wanted.map(({ path }) => path), leftAlone, failure: null };
}

/** What an apply did, in one sentence. */
export function describeApply(output: ApplyOutput): string {
  return described(output, {
    did: "Applied",
    nothing: "Nothing was applied",
    to: "to your folder",
  });
}

/** The same for an undo. */
export function describeUndo(output: ApplyOutput): string {
  const nothing = "Nothing was taken back";
  return described(output, { did: "Took back", nothing, to: "in your folder" });
}

function described(
  { applied, failure, leftAlone }: ApplyOutput,
  words: { readonly did: string; readonly nothing: string; readonly to: string },
): string {
  if (failure !== null && applied.length === 0) return `${words.nothing}: ${failure.message}`;
  const done = `${words.did} ${count(applied.length, "file")} ${words.to}`;
  if (failure !== null) return `${done}, then it stopped: ${failure.message}`;
  return leftAlone.length === 0
    ? `${done}.`
    : `${done}. ${count(leftAlone.length, "file")} left as it was.`;
}

function names(changes: readonly FileChange[]): string {
  const shown = changes.slice(0, 5).map((change) => change.path);
  return changes.length > 5 ? `${shown.join(", ")} and more` : shown.join(", ");
}
