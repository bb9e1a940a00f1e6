import { askTogether, mostCards, type Question } from "./askTogether.ts";
import type { Flow } from "./flow.ts";
import type { LeftOut } from "./records.ts";
import type { FileChange } from "./waitSubject.ts";
import { governs, ruleQuestion } from "./ruleQuestion.ts";

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
  const [forAll, cardOf] = [`${id}/approval`, (at: number) => `${id}/protected/${at + 1}`];
  const about = (wait: string, shown: readonly FileChange[]): Question => ({
    wait,
    question: questionOf(shown),
    subject: { kind: "apply", base, tree, changes: [...shown] },
  });
  const ofCard = (wait: string, change: FileChange): Question =>
    governs(change)
      ? { wait, ...ruleQuestion({ base, tree, change, isUndo: false }) }
      : about(wait, [change]);
  const said = await askTogether(flow, [
    ...(usual.length === 0 ? [] : [about(forAll, plain)]),
    ...cards.map((change, at) => ofCard(cardOf(at), change)),
  ]);
  const approved = cards.filter((_, at) => said.get(cardOf(at)) === "yes");
  const together = said.get(forAll) === "yes" ? usual : [];
  const may = new Set([...together, ...approved].map(({ path }) => path));
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

function questionOf(changes: readonly FileChange[]): string {
  const [only] = changes;
  if (only?.guard !== undefined)
    return `Apply ${only.path} to your folder? It is protected: ${only.guard}.`;
  const wanted = changes.filter(({ conflict }) => conflict === null);
  return `Apply ${count(wanted.length, "change")} to your folder?`;
}

/** A file that stays as it is because something obeys it. */
export function protectedFile({ path, guard = "" }: FileChange, why: string): LeftOut {
  return { path, reason: `Protected, for ${guard}; ${why}.` };
}

export const notApproved = "you did not approve it";

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
