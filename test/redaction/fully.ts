import type { JsonValue } from "../../src/core/records.ts";
import { KnownSecrets } from "../../src/redaction/knownSecrets.ts";
import { redact, type Redacted } from "../../src/redaction/redact.ts";

export interface FullyOptions {
  readonly known?: readonly string[];
  readonly digests?: ReadonlySet<string>;
}

/** As an export does it: all that may be a secret. */
export function fully(value: JsonValue, options: FullyOptions = {}): Redacted {
  const { known = [], digests = new Set() } = options;
  return redact(value, { known: new KnownSecrets(known), sure: false, digests });
}
