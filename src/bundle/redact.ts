import type { JsonValue } from "../core/records.ts";
import { secretStart } from "./assignedSecrets.ts";
import { knownForms } from "./knownSecrets.ts";
import { isMarker, markerOf, redactText } from "./redactText.ts";
import { kindOfName } from "./secretName.ts";
import type { SecretKind } from "./secretSpan.ts";
import { holdsAwsKey, isAwsSecret } from "./tokenSecrets.ts";

export interface Redacted {
  readonly value: JsonValue;
  /** How many of what kind were taken out. */
  readonly found: ReadonlyMap<SecretKind, number>;
}

export interface RedactOptions {
  /** Values that are known to be secret; each is found as it is, in base64, in a URL and in JSON. Those shorter than six characters are passed over. */
  readonly known?: readonly string[];
  /** A SHA-256 in hex under one of these names is no secret, whatever part of it looks known. */
  readonly digests?: ReadonlySet<string>;
}

/**
 * The value with `[redacted: <kind>]` in place of everything that looks like a secret, in all
 * strings, the names of properties included. Everything else stays as it is; a second call finds
 * nothing. It is a net, not a proof: a secret that looks like ordinary text is only found when it
 * is handed in.
 */
export function redact(value: JsonValue, options: RedactOptions = {}): Redacted {
  const run = new Redaction(options);
  return { value: run.value(value, null), found: run.found };
}

/** What is known of a string from where it stands. */
interface Place {
  readonly name: string | null;
  /** What the name before it says it is: `["--password", "x"]`, `{ name: "TOKEN", value: "x" }`. */
  readonly kind: SecretKind | null;
  readonly besideAwsKey: boolean;
}

/** Records say the same short words again and again: kinds, names of properties. */
const shortText = 40;

class Redaction {
  readonly found = new Map<SecretKind, number>();
  /** Short texts in which nothing was found. */
  readonly #harmless = new Set<string>();
  readonly #known: readonly string[];
  readonly #forms: readonly string[];
  readonly #digests: ReadonlySet<string>;

  constructor({ known = [], digests = new Set() }: RedactOptions) {
    this.#known = known;
    this.#forms = knownForms(known);
    this.#digests = digests;
  }

  value(value: JsonValue, place: Place | null): JsonValue {
    if (typeof value === "string") return this.#string(value, place);
    if (typeof value !== "object" || value === null) return value;
    return Array.isArray(value) ? this.#array(value) : this.#object(value);
  }

  #array(values: readonly JsonValue[]): JsonValue {
    const besideAwsKey = values.some((value) => typeof value === "string" && holdsAwsKey(value));
    return values.map((value, index) => {
      const flag = values[index - 1];
      const named = typeof flag === "string" && /^--?[\w-]{1,64}$/.test(flag);
      return this.value(value, { name: null, kind: named ? kindOfName(flag) : null, besideAwsKey });
    });
  }

  #object(value: { readonly [name: string]: JsonValue }): JsonValue {
    const entries = Object.entries(value);
    const parts = entries.map(([, part]) => part);
    const besideAwsKey = parts.some((part) => typeof part === "string" && holdsAwsKey(part));
    const label = [value["name"], value["key"]].find((part) => typeof part === "string");
    const names = new Set<string>();
    // Not by assignment: `__proto__` is a name like any other here.
    return Object.fromEntries(
      entries.map(([name, part]) => {
        const kind = kindOfName(name === "value" && label !== undefined ? label : name);
        const place = { name, kind, besideAwsKey };
        return [this.#name(name, names), this.value(part, place)];
      }),
    );
  }

  /** Two names that become the same one both stay. */
  #name(name: string, taken: Set<string>): string {
    const plain = this.#text(name);
    let free = plain;
    for (let count = 2; taken.has(free); count += 1) free = `${plain} (${count})`;
    taken.add(free);
    return free;
  }

  #string(text: string, place: Place | null): string {
    if (place === null) return this.#text(text);
    const { name, kind, besideAwsKey } = place;
    const digest = name !== null && this.#digests.has(name) && /^[0-9a-f]{64}$/.test(text);
    if (digest && !this.#known.includes(text)) return text;
    if (besideAwsKey && isAwsSecret(text)) return this.#mark("aws secret");
    if (kind === null) return this.#text(text);
    const { text: plain, found } = redactText(text, this.#forms);
    // Asked of what is left, too, so that a second call finds nothing more.
    const whole = secretStart(kind, text) === null ? plain : text;
    const start = secretStart(kind, whole);
    // What a token shows by itself tells more than its name.
    if (start !== null && !isMarker(plain.slice(start))) {
      return whole.slice(0, start) + this.#mark(kind);
    }
    for (const each of found) this.#count(each);
    return plain;
  }

  #text(text: string): string {
    if (this.#harmless.has(text)) return text;
    const { text: plain, found } = redactText(text, this.#forms);
    if (found.length === 0 && text.length <= shortText) this.#harmless.add(text);
    for (const kind of found) this.#count(kind);
    return plain;
  }

  #mark(kind: SecretKind): string {
    this.#count(kind);
    return markerOf(kind);
  }

  #count(kind: SecretKind): void {
    this.found.set(kind, (this.found.get(kind) ?? 0) + 1);
  }
}
