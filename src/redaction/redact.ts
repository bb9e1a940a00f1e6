import { isMarker, markerOf, type SecretKind } from "../core/redactedMark.ts";
import { jsonValue, type JsonValue } from "../core/records.ts";
import { isSurely, secretStart } from "./assignedSecrets.ts";
import { redactText, type Telling } from "./redactText.ts";
import { kindOfName } from "./secretName.ts";
import { holdsAwsKey, isAwsSecret } from "./tokenSecrets.ts";

export interface Redacted {
  readonly value: JsonValue;
  /** How many of what kind were taken out. */
  readonly found: ReadonlyMap<SecretKind, number>;
}

export interface RedactOptions extends Telling {
  /** A SHA-256 in hex under one of these names is no secret, whatever part of it looks known; `all` is under any. */
  readonly digests: ReadonlySet<string> | "all";
}

/**
 * The value with `[redacted: <kind>]` in place of every secret that is told, in all strings, the
 * names of properties included. Everything else stays as it is: what has none is the same object.
 * A second call finds nothing. It is a net, not a proof: a secret that looks like ordinary text is
 * only found when it is known.
 */
export function redact(value: JsonValue, options: RedactOptions): Redacted {
  const run = new Redaction(options);
  return { value: run.value(value, null), found: run.found };
}

/** The same for a text alone: one that is JSON stays JSON where `sure`. */
export function redactOne(text: string, options: RedactOptions): string {
  return new Redaction(options).text(text);
}

/** What is known of a string from where it stands. */
interface Place {
  readonly name: string | null;
  /** What the name before it says it is: `["--password", "x"]`, `{ name: "TOKEN", value: "x" }`. */
  readonly kind: SecretKind | null;
  /** The name that says so. */
  readonly label: string;
  /** What stands beside it. */
  readonly beside: Iterable<JsonValue>;
}

/** Records say the same short words again and again: kinds, names of properties. */
const shortText = 40;
/** No secret is shorter, with the name that tells of it or without. */
const leastText = 6;

function parsedOf(text: string): JsonValue | undefined {
  try {
    return jsonValue.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const digest = /^[0-9a-f]{64}$/;

function holdsAnyAwsKey(values: Iterable<JsonValue>): boolean {
  return [...values].some((value) => typeof value === "string" && holdsAwsKey(value));
}

class Redaction {
  readonly found = new Map<SecretKind, number>();
  /** Short texts in which nothing was found. */
  readonly #harmless = new Set<string>();
  readonly #options: RedactOptions;

  constructor(options: RedactOptions) {
    this.#options = options;
  }

  value(value: JsonValue, place: Place | null): JsonValue {
    if (typeof value === "string") return this.#string(value, place);
    if (typeof value !== "object" || value === null) return value;
    return Array.isArray(value) ? this.#array(value) : this.#object(value);
  }

  #array(values: JsonValue[]): JsonValue {
    const plain = values.map((value, index) => {
      const before = values[index - 1];
      const label = typeof before === "string" && /^--?[\w-]{1,64}$/.test(before) ? before : "";
      return this.value(value, { name: null, kind: kindOfName(label), label, beside: values });
    });
    return plain.every((part, index) => part === values[index]) ? values : plain;
  }

  #object(value: { [name: string]: JsonValue }): JsonValue {
    const told = [value["name"], value["key"]].find((part) => typeof part === "string");
    const beside = Object.values(value);
    const names = new Set<string>();
    const plain: [string, JsonValue][] = [];
    let same = true;
    for (const name of Object.keys(value)) {
      const part = value[name] ?? null;
      const label = name === "value" && told !== undefined ? told : name;
      const entry: [string, JsonValue] = [
        this.#name(name, names),
        this.value(part, { name, kind: kindOfName(label), label, beside }),
      ];
      same &&= entry[0] === name && entry[1] === part;
      plain.push(entry);
    }
    // Not by assignment: `__proto__` is a name like any other here.
    return same ? value : Object.fromEntries(plain);
  }

  /** Two names that become the same one both stay. */
  #name(name: string, taken: Set<string>): string {
    const plain = this.text(name);
    let free = plain;
    for (let count = 2; taken.has(free); count += 1) free = `${plain} (${count})`;
    taken.add(free);
    return free;
  }

  #string(text: string, place: Place | null): string {
    if (this.#isDigest(text, place)) return text;
    if (place === null) return this.text(text);
    const { kind, label, beside } = place;
    if (isAwsSecret(text) && holdsAnyAwsKey(beside)) return this.#mark("aws secret");
    if (kind === null) return this.text(text);
    const { text: plain, found } = redactText(text, this.#options);
    // Asked of what is left, too, so that a second call finds nothing more.
    const whole = secretStart(kind, text) === null ? plain : text;
    const start = secretStart(kind, whole);
    const told = start !== null && (!this.#options.sure || isSurely(label, whole.slice(start)));
    // What a token shows by itself tells more than its name.
    if (start !== null && told && !isMarker(plain.slice(start))) {
      return whole.slice(0, start) + this.#mark(kind);
    }
    for (const each of found) this.#count(each);
    return plain;
  }

  #isDigest(text: string, place: Place | null): boolean {
    const { digests, known } = this.#options;
    if (text.length !== 64) return false;
    const named = digests === "all" || digests.has(place?.name ?? "");
    return named && digest.test(text) && !known.has(text);
  }

  text(text: string): string {
    if (text.length < leastText || this.#harmless.has(text)) return text;
    const { text: plain, found } = redactText(text, this.#options);
    for (const kind of found) this.#count(kind);
    const spelled = this.#options.sure ? this.#spelled(text, plain) : plain;
    if (spelled === text && text.length <= shortText) this.#harmless.add(text);
    return spelled;
  }

  /**
   * A text that is JSON, as the arguments of a call are, stays JSON; and in JSON a secret can be
   * spelled with escapes, too.
   */
  #spelled(text: string, plain: string): string {
    if ((plain === text && !text.includes("\\u")) || !/^\s*[{[]/.test(text)) return plain;
    const parsed = parsedOf(plain);
    const whole = parsed ?? parsedOf(text);
    if (whole === undefined) return plain;
    const value = this.value(whole, null);
    if (parsed === value) return plain;
    const said = JSON.stringify(value);
    // What was taken out can leave something to find across the strings that are left.
    return said === text ? said : this.text(said);
  }

  #mark(kind: SecretKind): string {
    this.#count(kind);
    return markerOf(kind);
  }

  #count(kind: SecretKind): void {
    this.found.set(kind, (this.found.get(kind) ?? 0) + 1);
  }
}
