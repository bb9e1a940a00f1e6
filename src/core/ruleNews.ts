import { canonical } from "./canonical.ts";
import { jsonValue, type JsonValue } from "./records.ts";
import { ruleObject, ruleSentence, ruleVerbs, type Rule } from "./rule.ts";
import type { ToldRules } from "./toldRules.ts";

/** A folder's file of rules as Cairn reads it: all of its rules, or the sentence why none of them can be read. */
export type FolderRules = { readonly rules: readonly Rule[] } | { readonly problem: string };

/**
 * What changes for people when a folder's file of rules becomes another one; null where there is no
 * file. Neither order nor ids, notes and comments count: only what is denied or asked about.
 */
export function ruleNews(before: FolderRules | null, after: FolderRules | null): ToldRules {
  const [old, now] = [rulesOf(before), rulesOf(after)];
  if (now === null) return broken(before, after);
  if (old === null) return mended(now);
  const gone = without(binding(old), binding(now));
  const come = without(binding(now), binding(old));
  const tries = without(now.filter(allows), old.filter(allows));
  const fresh = come.filter(({ id }) => !gone.some((one) => one.id === id));
  const looser = gone.filter((one) => !now.some((other) => isStricter(other, one)));
  const says = [
    ...gone.map((one) => goes(one, come)).toSorted(),
    ...fresh.map(ruleSentence).toSorted(),
    ...tries.map(ignored).toSorted(),
  ];
  const adds = asData(come);
  if (says.length === 0) return { risk: null, says: [nothing], adds };
  return looser.length === 0
    ? { risk: null, says: [nothingLooser, ...says], adds }
    : { risk: looserWords(looser.length), says, adds };
}

function asData(rules: readonly Rule[]): JsonValue[] {
  return rules.map((one) => jsonValue.parse(one));
}

/** None where there is no file, null for one that cannot be read. */
function rulesOf(read: FolderRules | null): readonly Rule[] | null {
  if (read === null) return [];
  return "rules" in read ? read.rules : null;
}

function allows({ decision }: Rule): boolean {
  return decision === "allow";
}

/** What a folder has a say in: it can deny and ask. */
function binding(rules: readonly Rule[]): readonly Rule[] {
  return rules.filter((one) => !allows(one));
}

/** Those of some rules whose like the others do not have, each once: of equal ones the first by id. */
function without(rules: readonly Rule[], others: readonly Rule[]): readonly Rule[] {
  const known = new Set(others.map(effectOf));
  const ordered = rules.toSorted((left, right) => (left.id < right.id ? -1 : 1));
  return ordered.filter((one) => {
    const effect = effectOf(one);
    if (known.has(effect)) return false;
    known.add(effect);
    return true;
  });
}

function effectOf({ id: _id, note: _note, ...effect }: Rule): string {
  return canonical(jsonValue.parse(effect));
}

/** Whether a rule denies what another one only asks about. */
function isStricter(one: Rule, other: Rule): boolean {
  return one.decision === "deny" && effectOf(one) === effectOf({ ...other, decision: "deny" });
}

/** A rule that goes, with the one that comes under its id. */
function goes(one: Rule, come: readonly Rule[]): string {
  const next = come.find(({ id }) => id === one.id);
  if (next === undefined) return `No longer ${does(one)}`;
  if (ruleSentence(next) === ruleSentence(one)) {
    return `${ruleSentence(one)} What this covers becomes something else, as the file shows.`;
  }
  return `No longer ${does(one)} Instead it ${does(next)}`;
}

function does(one: Rule): string {
  return `${ruleVerbs[one.decision].toLowerCase()} ${ruleObject(one)}.`;
}

function ignored(one: Rule): string {
  return `Tries to allow ${ruleObject(one)}: this is ignored, for a folder can only deny and ask.`;
}

function looserWords(count: number): string {
  const rules = count === 1 ? "1 rule" : `${count} rules`;
  return `This loosens: ${rules} would no longer hold agents back in this folder as before.`;
}

const nothingLooser = "Nothing is allowed by it that was not before.";
const nothing = "No rule that counts comes, goes or changes.";

/** A file that cannot be read keeps everything from being allowed; but it denies nothing, either. */
function broken(before: FolderRules | null, after: FolderRules | null): ToldRules {
  const old = binding(rulesOf(before) ?? []);
  const problem = after !== null && "problem" in after ? [after.problem] : [];
  const isKnown = before !== null && "rules" in before;
  const asks = "everything is asked about; where nobody is there to answer, that is a no";
  const until = isKnown
    ? `Until then ${asks}. Where Cairn runs already, it goes by the rules as they were.`
    : `Until then ${asks}.`;
  const denies = old.some(({ decision }) => decision === "deny");
  return {
    risk: denies
      ? "This loosens: the rules of this folder could not be read any more, and what they deny would only be asked about."
      : "The rules of this folder could not be read.",
    says: [...problem, until, ...old.map((one) => goes(one, [])).toSorted()],
    adds: [],
  };
}

/** The other way round: all rules come, and what keeps everything from being allowed goes. */
function mended(now: readonly Rule[]): ToldRules {
  const come = binding(now).map(ruleSentence).toSorted();
  const tries = now.filter(allows).map(ignored).toSorted();
  return {
    risk: "This loosens: the rules of this folder cannot be read as they are, so that everything is asked about; this would end that.",
    says: [...come, ...tries, ...(come.length === 0 ? ["No rule of this folder holds then."] : [])],
    adds: asData(binding(now)),
  };
}
