import { count, leftAloneOf, notApproved, protectedFile, type Approved } from "./applyApproval.ts";
import { askTogether, mostCards, type Question, type Said } from "./askTogether.ts";
import { bytesInWords } from "./bytesInWords.ts";
import type { Flow } from "./flow.ts";
import { governs, ruleQuestion } from "./ruleQuestion.ts";
import type { LeftOut } from "./records.ts";
import type { Contested, FileChange, FileState } from "./waitSubject.ts";

interface Asked {
  readonly base: string;
  readonly tree: string;
  readonly changes: readonly FileChange[];
  /** What is taken back. */
  readonly what: "apply" | "undo";
}

type ContestedChange = FileChange & { readonly contested: Contested };

/**
 * Asks for all that can be taken back as it was written together, and for the folder's own rules and
 * each file that the user changed since by itself. All are asked at once; without a yes the user's file stays. Throws
 * `Parked` while one is open.
 */
export async function approveUndo(flow: Flow, id: string, asked: Asked): Promise<Approved> {
  const { base, tree, changes, what } = asked;
  const contested = changes.filter(isContested);
  const governing = changes.filter(governs);
  const plain = changes.filter((change) => !isContested(change) && !governs(change));
  const usual = plain.filter(({ conflict }) => conflict === null);
  const cards = contested.slice(0, mostCards);
  const [forAll, cardOf] = [`${id}/approval`, (at: number) => `${id}/conflict/${at + 1}`];
  // A folder has one file of rules.
  const forRules = `${id}/rules`;
  const together: Question = {
    wait: forAll,
    question:
      what === "apply"
        ? `Take back ${count(usual.length, "change")} in your folder?`
        : `Take back what the undo did to ${count(usual.length, "file")} of yours?`,
    subject: { kind: "apply", base, tree, changes: plain },
  };
  const said = await askTogether(flow, [
    ...(usual.length === 0 ? [] : [together]),
    ...governing.map((change) => ({
      wait: forRules,
      ...ruleQuestion({ base, tree, change, isUndo: true }),
    })),
    ...cards.map((change, at) => conflictOf(change, cardOf(at), what)),
  ]);
  const replaced = cards.filter((_, at) => said.get(cardOf(at)) === "yes");
  const taken = said.get(forAll) === "yes" ? usual : [];
  const ruled = said.get(forRules) === "yes" ? governing : [];
  const may = new Set([...taken, ...ruled, ...replaced].map(({ path }) => path));
  const stays = contested.flatMap(({ path }, at): readonly LeftOut[] =>
    may.has(path) ? [] : [{ path, reason: whyLeft(what, said.get(cardOf(at))) }],
  );
  const kept = governing.filter(({ path }) => !may.has(path));
  return {
    changes: changes.filter(
      (change) => may.has(change.path) || (change.conflict !== null && !isContested(change)),
    ),
    wanted: changes.filter(({ path }) => may.has(path)),
    leftAlone: [
      ...leftAloneOf(plain),
      ...kept.map((change) => protectedFile(change, notApproved)),
      ...stays,
    ],
  };
}

function isContested(change: FileChange): change is ContestedChange {
  return change.contested !== undefined;
}

function conflictOf(
  { path, diff, contested }: ContestedChange,
  wait: string,
  what: Asked["what"],
): Question {
  const { yours, theirs } = contested;
  const question =
    yours === null
      ? `Bring ${path} back, which you deleted since the ${what}?`
      : `${theirs === null ? "Delete" : "Replace"} ${path}, which you changed since the ${what}?`;
  const undo =
    yours === null
      ? "Undoing once more deletes it again."
      : "Yours is kept in the session first; undoing once more brings it back.";
  const words = {
    yours: yoursInWords(contested, what),
    theirs: theirs === null ? "No file" : `As it was before the ${what}, ${size(theirs, yours)}`,
  };
  const subject = { kind: "restoreConflict" as const, path, ...words, diff, contested, undo };
  return { wait, question, subject };
}

function yoursInWords({ written, yours, theirs }: Contested, what: Asked["what"]): string {
  if (yours === null) return `Deleted by you since the ${what}`;
  const act = written === null ? "Made" : "Changed";
  return `${act} by you since the ${what}, ${size(yours, theirs)}`;
}

/** That it can be run is said where the other one differs in it. */
function size({ bytes, exec }: FileState, other: FileState | null): string {
  const differs = other !== null && other.exec !== exec;
  return `${bytesInWords(bytes)}${differs ? `, ${exec ? "executable" : "not executable"}` : ""}`;
}

function whyLeft(what: Asked["what"], said: Said | undefined): string {
  const why = {
    yes: "it was to be replaced",
    no: "you kept yours",
    nothing: "nobody said to replace it",
  };
  const asked = said === undefined ? `more than ${mostCards} are not asked about` : why[said];
  return `You changed it since the ${what}; ${asked}.`;
}
