import type { Flow } from "./flow.ts";
import type { Decision, FileChange, LeftOut } from "./records.ts";
import { governs, ruleApproval } from "./ruleApproval.ts";
import { approval, type WaitAnswer } from "./waits.ts";

/** More cards than this nobody reads: a whole `.git` is not approved file by file. */
const mostCards = 20;

/** What of a plan may be written, and what is left alone with the reason. */
export interface Approved {
  /** As they are handed to the write: what may be written, and what cannot be. */
  readonly changes: readonly FileChange[];
  readonly wanted: readonly FileChange[];
  readonly leftAlone: readonly LeftOut[];
}

interface Asked {
  readonly base: string;
  readonly tree: string;
  readonly changes: readonly FileChange[];
  readonly unattended: boolean;
}

/**
 * Asks for all changes together, but for files that something runs or obeys without asking: each of
 * these has a card of its own, however the others are answered. All are asked at once. Throws
 * `Parked` while one is open.
 */
export async function approveChanges(flow: Flow, id: string, asked: Asked): Promise<Approved> {
  const { base, tree, changes, unattended } = asked;
  const plain = changes.filter(({ guard }) => guard === undefined);
  const usual = plain.filter(({ conflict }) => conflict === null);
  const guarded = changes.filter(({ guard }) => guard !== undefined);
  const cards = unattended ? [] : guarded.slice(0, mostCards);
  const ask = async (on: Flow, wait: string, about: readonly FileChange[]): Promise<boolean> => {
    const subject = { kind: "apply" as const, base, tree, changes: [...about] };
    return isYes(await on.wait(wait, approval(questionOf(about), subject)));
  };
  const askGuarded = async (on: Flow, wait: string, change: FileChange): Promise<boolean> => {
    if (!governs(change)) return ask(on, wait, [change]);
    return isYes(await on.wait(wait, ruleApproval({ base, tree, change, isUndo: false })));
  };
  const askAll = async (on: Flow): Promise<readonly FileChange[]> =>
    usual.length > 0 && (await ask(on, `${id}/approval`, plain)) ? usual : [];
  const askEach = cards.map(
    (change, index) =>
      async (on: Flow): Promise<readonly FileChange[]> =>
        (await askGuarded(on, `${id}/protected/${index + 1}`, change)) ? [change] : [],
  );
  const approved = await together(flow, [askAll, ...askEach]);
  const may = new Set(approved.map(({ path }) => path));
  const refused = guarded.filter(({ path }) => !may.has(path));
  const asks = new Set(cards.map(({ path }) => path));
  return {
    changes: changes.filter(({ path, conflict }) => conflict !== null || may.has(path)),
    wanted: changes.filter(({ path }) => may.has(path)),
    leftAlone: [
      ...leftAloneOf(plain),
      ...refused.map((change) =>
        protectedFile(change, whyRefused(asks.has(change.path), unattended)),
      ),
    ],
  };
}

/**
 * Asks for all that an undo would bring back together, but for the folder's own rules, which have a
 * card of their own. Throws `Parked` while one is open.
 */
export async function approveUndo(
  flow: Flow,
  id: string,
  { base, tree, changes }: Omit<Asked, "unattended">,
): Promise<Approved> {
  const governing = changes.filter(governs);
  const plain = changes.filter((change) => !governs(change));
  const usual = plain.filter(({ conflict }) => conflict === null);
  const askAll = async (on: Flow): Promise<readonly FileChange[]> => {
    const subject = { kind: "apply" as const, base, tree, changes: plain };
    const question = `Take back ${count(usual.length, "change")} in your folder?`;
    return isYes(await on.wait(`${id}/approval`, approval(question, subject))) ? usual : [];
  };
  const askEach = governing.map((change) => async (on: Flow): Promise<readonly FileChange[]> => {
    const spec = ruleApproval({ base, tree, change, isUndo: true });
    return isYes(await on.wait(`${id}/rules`, spec)) ? [change] : [];
  });
  const wanted = await together(flow, [...(usual.length === 0 ? [] : [askAll]), ...askEach]);
  const kept = governing.filter((change) => !wanted.includes(change));
  return {
    changes: changes.filter((change) => change.conflict !== null || wanted.includes(change)),
    wanted,
    leftAlone: [
      ...leftAloneOf(changes),
      ...kept.map((change) => protectedFile(change, notApproved)),
    ],
  };
}

/** Asks all at once; what may be written by the answers. */
async function together(
  flow: Flow,
  asks: readonly ((on: Flow) => Promise<readonly FileChange[]>)[],
): Promise<readonly FileChange[]> {
  const [only] = asks;
  const answers =
    only !== undefined && asks.length === 1 ? [await only(flow)] : await flow.parallel(asks);
  return answers.flat();
}

function isYes(answer: WaitAnswer<Decision>): boolean {
  return answer.ended === null && answer.value.approved;
}

function questionOf(changes: readonly FileChange[]): string {
  const [only] = changes;
  if (only?.guard !== undefined)
    return `Apply ${only.path} to your folder? It is protected: ${only.guard}.`;
  const wanted = changes.filter(({ conflict }) => conflict === null);
  return `Apply ${count(wanted.length, "change")} to your folder?`;
}

function protectedFile({ path, guard = "" }: FileChange, why: string): LeftOut {
  return { path, reason: `Protected, for ${guard}; ${why}.` };
}

const notApproved = "you did not approve it";

function whyRefused(asked: boolean, unattended: boolean): string {
  if (asked) return notApproved;
  return unattended
    ? "nobody is there to approve it"
    : `more than ${mostCards} are not asked about`;
}

export function leftAloneOf(changes: readonly FileChange[]): readonly LeftOut[] {
  return changes.flatMap(({ path, conflict }) =>
    conflict === null ? [] : [{ path, reason: conflict }],
  );
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
