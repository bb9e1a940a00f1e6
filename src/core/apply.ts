import * as z from "zod";
import { canonical } from "./canonical.ts";
import { CairnError } from "./errors.ts";
import type { Flow } from "./flow.ts";
import type { WorkspaceTrees, World } from "./ports.ts";
import type { Observed } from "./inDoubt.ts";
import { jsonValue } from "./records.ts";
import { fileChange, type FileChange } from "./waitSubject.ts";
import { approveChanges, count, type Approved } from "./applyApproval.ts";
import { approveUndo } from "./undoApproval.ts";

/** What became of an apply: on record as the output of its step. */
export const applyOutput = z.object({
  applied: z.array(z.string()),
  leftAlone: z.array(z.object({ path: z.string(), reason: z.string() })),
  failure: z.nullable(z.object({ code: z.string(), message: z.string() })),
  /** Files of the user that were replaced or brought back, and the tree of what they were before. */
  kept: z.exactOptional(z.object({ tree: z.string(), paths: z.array(z.string()) })),
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

/** Paths that were written, to be taken back; from which tree to which that leads. */
export interface UndoContext extends Omit<ApplyContext, "unattended"> {
  readonly paths: readonly string[];
  /** Id of the step that wrote them. */
  readonly of: string;
  readonly what: "apply" | "undo";
}

/** The user's files as they were before an undo replaced them; no tree when one was another by then. */
const keepOutput = z.object({
  tree: z.nullable(z.string()),
  failure: applyOutput.shape.failure,
});

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
 * Takes an apply back: what it wrote becomes again what it replaced. A file that was changed since
 * only does after an approval of its own, and is kept in the session before. Resolves and throws as
 * `runApply`.
 */
export async function runUndo(context: UndoContext, id: string): Promise<ApplyOutput | null> {
  const { flow, trees, base, tree, paths, of, what } = context;
  const changes = await flow.step(
    `${id}/plan`,
    { kind: "apply", label: "plan", inputs: { base, tree, of }, output: z.array(fileChange) },
    async () => [...(await trees.planBack(base, tree, paths))],
  );
  const approved = await approveUndo(flow, id, { base, tree, changes, what });
  const { wanted, leftAlone } = approved;
  if (wanted.length === 0) return null;
  const replaced = wanted.filter(({ contested }) => contested !== undefined);
  const writing = { name: "undo", what, inputs: { of }, ...approved } as const;
  if (replaced.length === 0) return writeStep(context, id, writing);
  const { tree: kept, failure } = await keepStep(context, id, replaced);
  if (kept === null) return { applied: [], leftAlone: [...leftAlone], failure };
  const before = { tree: kept, paths: replaced.map(({ path }) => path) };
  return writeStep(context, id, { ...writing, kept: before });
}

/** On record before anything is replaced, so that whatever becomes of the write, it names what was there. */
async function keepStep(
  { flow, world, trees, base, tree }: UndoContext,
  id: string,
  replaced: readonly FileChange[],
): Promise<z.infer<typeof keepOutput>> {
  const inputs = { base, tree, changes: world.digest(canonical([...replaced])) };
  return flow.step(
    `${id}/keep`,
    { kind: "apply", label: "keep", inputs, output: keepOutput },
    async () => {
      try {
        return { tree: await trees.keep(replaced), failure: null };
      } catch (error) {
        if (!CairnError.is(error, "apply.conflict")) throw error;
        return { tree: null, failure: refusal(error) };
      }
    },
  );
}

interface Writing extends Approved {
  readonly name: "write" | "undo";
  readonly inputs?: Readonly<Record<string, string>>;
  /** What is taken back. */
  readonly what?: "apply" | "undo";
  readonly kept?: NonNullable<ApplyOutput["kept"]>;
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
        // Which of them were replaced is not known then; what is as it was is not brought back again.
        ...keptOf(plan, plan.kept?.paths ?? []),
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
  const { what, kept } = plan;
  const as = what === undefined ? "in the session" : `before the ${what}`;
  const held = kept === undefined ? "" : " What you had in place of them is kept in the session.";
  const text = `In your folder ${applied.length} of ${count(paths.length, "file")} ${applied.length === 1 ? "is" : "are"} as ${as}.${held}`;
  if (applied.length < paths.length) {
    return { text, seen: applied.length === 0 ? "absent" : "partly" };
  }
  const { leftAlone } = plan;
  const result = jsonValue.parse({ applied, leftAlone, failure: null, ...keptOf(plan, applied) });
  return { text, seen: "happened", result };
}

/** A refusal by the file system or by the user's own edits is an outcome, not a failed session. */
async function write(trees: WorkspaceTrees, plan: Plan): Promise<ApplyOutput> {
  const { base, tree, changes, wanted } = plan;
  const leftAlone = [...plan.leftAlone];
  try {
    await trees.apply(base, tree, changes);
  } catch (error) {
    const failure = refusal(error);
    // What the plan does not name any more was written before it stopped.
    const { applied } = await stillToDo(trees, plan);
    return { applied, leftAlone, failure, ...keptOf(plan, applied) };
  }
  const applied = wanted.map(({ path }) => path);
  return { applied, leftAlone, failure: null, ...keptOf(plan, applied) };
}

/** Throws what is no refusal. */
function refusal(error: unknown): NonNullable<ApplyOutput["failure"]> {
  if (!CairnError.is(error)) throw error;
  return { code: error.code, message: error.message };
}

/** Of what was kept, that which was written over. */
function keptOf({ kept }: Plan, written: readonly string[]): Pick<ApplyOutput, "kept"> {
  const paths = kept?.paths.filter((path) => written.includes(path)) ?? [];
  return kept === undefined || paths.length === 0 ? {} : { kept: { tree: kept.tree, paths } };
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
  { applied, failure, leftAlone, kept }: ApplyOutput,
  words: { readonly did: string; readonly nothing: string; readonly to: string },
): string {
  if (failure !== null && applied.length === 0) return `${words.nothing}: ${failure.message}`;
  const done = `${words.did} ${count(applied.length, "file")} ${words.to}`;
  const ends = failure === null ? [`${done}.`] : [`${done}, then it stopped: ${failure.message}`];
  if (failure === null && leftAlone.length > 0)
    ends.push(
      leftAlone.length === 1
        ? "1 file left as it was."
        : `${leftAlone.length} files left as they were.`,
    );
  return [...ends, ...keptInWords(kept)].join(" ");
}

function keptInWords(kept: ApplyOutput["kept"]): readonly string[] {
  if (kept === undefined) return [];
  return [
    `What you had in place of ${kept.paths.length} of them is kept in the session; undoing once more brings it back.`,
  ];
}

function names(changes: readonly FileChange[]): string {
  const shown = changes.slice(0, 5).map((change) => change.path);
  return changes.length > 5 ? `${shown.join(", ")} and more` : shown.join(", ");
}
