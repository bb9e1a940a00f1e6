/**
 * What can be found, the telling name first: where two finds overlap, the earlier one here names
 * them. Once released, a kind is never renamed: the markers of old bundles are known by it.
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
  "jwt",
  "known secret",
  "url credentials",
  "netrc password",
  "authorization",
  "api key",
  "password",
  "secret",
  "token",
] as const;
export type SecretKind = (typeof secretKinds)[number];

/** Where a secret lies in a text, as the offsets of `String.slice`. */
export interface SecretSpan {
  readonly start: number;
  readonly end: number;
  readonly kind: SecretKind;
}
