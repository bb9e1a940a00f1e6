import type { Flow } from "./flow.ts";
import type { FileChange, LeftOut } from "./records.ts";
import { approval } from "./waits.ts";

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
    const answer = await on.wait(wait, approval(questionOf(about), subject));
    return answer.ended === null && answer.value.approved;
  };
  const askAll = async (on: Flow): Promise<readonly FileChange[]> =>
    usual.length > 0 && (await ask(on, `${id}/approval`, plain)) ? usual : [];
  const askEach = cards.map(
    (change, index) =>
      async (on: Flow): Promise<readonly FileChange[]> =>
        (await ask(on, `${id}/protected/${index + 1}`, [change])) ? [change] : [],
  );
  const answers =
    askEach.length === 0 ? [await askAll(flow)] : await flow.parallel([askAll, ...askEach]);
  const may = new Set(answers.flat().map(({ path }) => path));
  const refused = guarded.filter(({ path }) => !may.has(path));
  const asks = new Set(cards.map(({ path }) => path));
  return {
    changes: changes.filter(({ path, conflict }) => conflict !== null || may.has(path)),
    wanted: changes.filter(({ path }) => may.has(path)),
    leftAlone: [
      ...leftAloneOf(plain),
      ...refused.map(({ path, guard = "" }) => ({
        path,
        reason: `Protected, for ${guard}; ${whyRefused(asks.has(path), unattended)}.`,
      })),
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

function whyRefused(asked: boolean, unattended: boolean): string {
  if (asked) return "you did not approve it";
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
