/**
 * What can be found, the telling name first: where two finds overlap, the earlier one here names
 * them. Once released, a kind is never renamed: the markers of old records and bundles are known by it.
 */
export const secretKinds = [
  "private key",
  "anthropic key",
  "openai key",
  "github token",
  "gitlab token",
  "slack token",
  "aws key",
  "aws secret",
  "google key",
  "npm token",
  "stripe key",
  "hugging face token",
  "azure key",
  "pypi token",
  "age key",
  "jwt",
  "known secret",
  "url credentials",
  "netrc password",
  "docker auth",
  "authorization",
  "api key",
  "password",
  "secret",
  "token",
] as const;
export type SecretKind = (typeof secretKinds)[number];

const marker = String.raw`\[redacted: (?:${secretKinds.join("|")})\]`;
const markers = new RegExp(marker, "g");
const oneMarker = new RegExp(`^${marker}$`);
const start = "[redacted: ";

export function isMarker(text: string): boolean {
  return oneMarker.test(text);
}

/** Whether a text has a marker in it where a secret was. */
export function holdsMarker(text: string): boolean {
  return text.search(markers) !== -1;
}

export function markerOf(kind: SecretKind): string {
  return `${start}${kind}]`;
}

/** Zeros of the same length in place of the markers, so that nothing is found inside of one. */
export function maskMarkers(text: string): string {
  if (!text.includes(start)) return text;
  return text.replace(markers, (each) => "\0".repeat(each.length));
}

/** How many of what kind are taken out of these texts. */
export function countMarkers(
  texts: readonly string[],
): Readonly<Partial<Record<SecretKind, number>>> {
  const found = texts.flatMap((text) => text.match(markers) ?? []);
  return Object.fromEntries(
    secretKinds.flatMap((kind) => {
      const count = found.filter((each) => each === markerOf(kind)).length;
      return count === 0 ? [] : [[kind, count]];
    }),
  );
}
