import type { SecretKind } from "../core/redactedMark.ts";

/** Where a secret lies in a text, as the offsets of `String.slice`. */
export interface SecretSpan {
  readonly start: number;
  readonly end: number;
  readonly kind: SecretKind;
}
