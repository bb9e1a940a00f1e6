import { CairnError } from "./errors.ts";
import { secretName } from "./proxyRule.ts";

/** A shorter value is part of too much that is no secret: it could not be kept out of records. */
const shortest = 6;

/** Throws `secret.invalid`. */
export function checkedSecretName(name: string): string {
  if (secretName.test(name)) return name;
  throw new CairnError(
    "secret.invalid",
    `${JSON.stringify(name)} cannot be the name of a secret. It is lower-case letters, digits, dots, dashes and underscores, like wiki-token.`,
  );
}

/** A value as it is kept, without the line's end that a file or a prompt adds. Throws `secret.invalid`. */
export function checkedSecret(name: string, given: string): string {
  const value = given.replace(/\r?\n$/, "");
  const why =
    value.length < shortest
      ? `it is shorter than ${shortest} characters`
      : /^[\x20-\x7e]*$/.test(value)
        ? null
        : "it is not one line of printable ASCII";
  if (why === null) return value;
  throw new CairnError("secret.invalid", `The secret ${name} was not kept: ${why}.`);
}

/** What names a secret that is not set, and how to set it. */
export function missingSecret(name: string, needs: string): CairnError {
  return new CairnError(
    "secret.missing",
    `The secret ${name} is not set, and ${needs} needs it. Set it: cairn secrets set ${name}, or Cairn: Set Secret in the editor.`,
    { details: { secret: name } },
  );
}
