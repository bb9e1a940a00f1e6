import type { SecretKind } from "../core/redactedMark.ts";
import type { Anchor, Anchored } from "./anchors.ts";

/** The words that the name of a secret ends with, the longer ones first. */
const words = [
  ["authorization", "authorization"],
  ["secret[_-]?access[_-]?key", "aws secret"],
  ["secret[_-]?key(?:[_-]?base)?", "secret"],
  ["(?:api|access|private|encryption|signing|account|auth)[_-]?key", "api key"],
  ["pass(?:word|wd|phrase|code)|pwd", "password"],
  ["secret", "secret"],
  ["token|_auth", "token"],
] as const satisfies readonly (readonly [string, SecretKind])[];

const groups = words.map(([word]) => `(${word})`).join("|");
const anyWord = new RegExp(groups, "gi");
const wordHere = new RegExp(groups, "iy");
const lastWord = new RegExp(`(?:${groups})\\d{0,3}$`, "i");
const wholeWord = new RegExp(`^(?:${groups})$`, "i");

/** What the words begin with. */
const begins = ["authorization", "secret", "pass", "pwd", "token", "_auth"];
const offsets: Readonly<Record<string, number>> = { authorization: 6, secret: 2, token: 2 };
export const nameAnchors: readonly Anchor[] = [...begins, "key"].map((text) => ({
  text,
  folded: true,
  offset: offsets[text] ?? 0,
}));
/** What stands before the `key` that the others end with. */
const keyEnd = /(?:api|access|private|encryption|signing|account|auth)[_-]?$/i;
const longestKeyWord = 11;

/** Every place where a name may end that says of its value that it is a secret. */
export function* secretWords(
  text: string,
  anchors: Anchored,
): Generator<{ readonly index: number; readonly end: number; readonly kind: SecretKind }> {
  const keys = anchors.of("key").flatMap((place) => {
    const lead = keyEnd.exec(text.slice(Math.max(0, place - longestKeyWord), place))?.[0];
    return lead === undefined ? [] : [place - lead.length];
  });
  const places = [...begins.flatMap((anchor) => anchors.of(anchor)), ...keys];
  let past = 0;
  for (const index of places.toSorted((one, two) => one - two)) {
    if (index < past) continue;
    wordHere.lastIndex = index;
    const match = wordHere.exec(text);
    const kind = kindOfMatch(match);
    if (match === null || kind === null) continue;
    past = index + match[0].length;
    yield { index, end: past, kind };
  }
}

/** The properties of records have the same few names again and again. */
const kinds = new Map<string, SecretKind | null>();
const mostKinds = 1_000;
const longestKept = 40;

/** What a value under this name is, if it is a secret: `DB_PASSWORD`, `accessToken`, `x-api-key`. */
export function kindOfName(name: string): SecretKind | null {
  const known = kinds.get(name);
  if (known !== undefined) return known;
  const kind = kindOfMatch(lastWord.exec(name.slice(-80)));
  if (kinds.size >= mostKinds) kinds.clear();
  if (name.length <= longestKept) kinds.set(name, kind);
  return kind;
}

function kindOfMatch(match: RegExpExecArray | null): SecretKind | null {
  return words.find((_, group) => match?.[group + 1] !== undefined)?.[1] ?? null;
}

/** Code that speaks of a secret, and is none: `newPassword`, `auth_token`, `password`. */
export function speaksOfSecret(value: string): boolean {
  if (!/^[A-Za-z_$][\w$]*$/.test(value) || value.search(anyWord) === -1) return false;
  return isSecretWord(value) || value.includes("_") || /[a-z][A-Z]/.test(value);
}

/** A word alone, as a label or a field has it. */
export function isSecretWord(value: string): boolean {
  return wholeWord.test(value);
}
