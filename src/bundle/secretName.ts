import type { SecretKind } from "./secretSpan.ts";

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
const lastWord = new RegExp(`(?:${groups})\\d{0,3}$`, "i");
const wholeWord = new RegExp(`^(?:${groups})$`, "i");

/** Every place where a name may end that says of its value that it is a secret. */
export function* secretWords(
  text: string,
): Generator<{ readonly index: number; readonly end: number; readonly kind: SecretKind }> {
  for (const match of text.matchAll(anyWord)) {
    const kind = kindOfMatch(match);
    if (kind !== null) yield { index: match.index, end: match.index + match[0].length, kind };
  }
}

/** What a value under this name is, if it is a secret: `DB_PASSWORD`, `accessToken`, `x-api-key`. */
export function kindOfName(name: string): SecretKind | null {
  return kindOfMatch(lastWord.exec(name.slice(-80)));
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
