import { ManyFinder } from "./manyFinder.ts";
import type { SecretSpan } from "./secretSpan.ts";

/** A shorter value is part of too much that is no secret. */
const shortest = 6;

/** The values that are known to be secret. In memory only. */
export class KnownSecrets {
  readonly #values = new Set<string>();
  #inText: ManyFinder | null = null;
  #inBytes: ManyFinder | null = null;

  constructor(values: readonly string[] = []) {
    for (const value of values) this.add(value);
  }

  /** Those shorter than six characters are passed over. */
  add(value: string): void {
    if (value.length < shortest || this.#values.has(value)) return;
    // A zero stands for what is taken out already.
    if (value.includes("\0")) return;
    this.#values.add(value);
    this.#inText = null;
    this.#inBytes = null;
  }

  /** Length of the longest form in which one is looked for. */
  get longest(): number {
    return this.#values.size === 0 ? 0 : this.#finder.longest;
  }

  has(value: string): boolean {
    return this.#values.has(value);
  }

  /** Every place of every form of every value. `bytes` are the text's low bytes. */
  spans(text: string, bytes: Uint8Array): SecretSpan[] {
    if (this.#values.size === 0) return [];
    return this.#finder
      .find(bytes, (form, start) => text.startsWith(form, start))
      .map(({ start, length }) => ({ start, end: start + length, kind: "known secret" }));
  }

  /** The same, in bytes that are a text of one character a byte. */
  spansIn(bytes: Uint8Array): readonly { readonly start: number; readonly end: number }[] {
    if (this.#values.size === 0) return [];
    return this.#finder
      .find(bytes, () => true)
      .map(({ start, length }) => ({ start, end: start + length }));
  }

  /** Where at the end of the bytes a form may begin whose rest is still to come; their length for none. */
  beginning(bytes: Uint8Array): number {
    return this.#values.size === 0 ? bytes.length : this.#finder.beginning(bytes);
  }

  get #finder(): ManyFinder {
    this.#inText ??= new ManyFinder([...this.#values].flatMap(formsOf));
    return this.#inText;
  }

  /** Whether bytes of a file hold a value exactly as it is. */
  areIn(bytes: Uint8Array): boolean {
    if (this.#values.size === 0) return false;
    this.#inBytes ??= new ManyFinder(
      [...this.#values].map((value) => Buffer.from(value).toString("latin1")),
    );
    return this.#inBytes.some(bytes);
  }
}

/** Every way in which a secret is commonly written. */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const plain = bytes.toString();
  const url = encodeURIComponent(plain);
  const hex = bytes.toString("hex");
  const escaped = hex.replaceAll(/../g, "%$&");
  const forms = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    // As PHP and others write it.
    JSON.stringify(secret)
      .slice(1, -1)
      .replaceAll("/", String.raw`\/`),
    JSON.stringify(JSON.stringify(secret).slice(1, -1)).slice(1, -1),
    Array.from(secret).toReversed().join(""),
    url,
    url.replaceAll("%20", "+"),
    url.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase()),
    url.replaceAll(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`),
    inHtml(secret, (mark) => named.get(mark) ?? mark),
    inHtml(secret, (mark) => `&#${mark.charCodeAt(0)};`),
    inHtml(secret, (mark) => `&#x${mark.charCodeAt(0).toString(16).toUpperCase()};`),
    escaped,
    escaped.toUpperCase(),
    hex,
    hex.toUpperCase(),
    ...base64Forms(bytes),
  ];
  // In a stream, and in a file that is no UTF-8, each byte is a character.
  return [...forms, ...forms.map((form) => Buffer.from(form).toString("latin1"))];
}

const named = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#39;"],
]);

/** As the page of an error quotes it. */
function inHtml(secret: string, escape: (mark: string) => string): string {
  return secret.replaceAll(/[&<>"'`=/+]/g, escape);
}

/** Alone, and inside a longer text at any of the three places that a byte can have in base64. */
function base64Forms(secret: Buffer): readonly string[] {
  const inside = [0, 1, 2].map((lead) => {
    const encoded = Buffer.concat([Buffer.alloc(lead), secret]).toString("base64");
    // Only the characters that no neighbour has a part in.
    return encoded.slice(Math.ceil((lead * 8) / 6), Math.floor(((lead + secret.length) * 8) / 6));
  });
  const forms = [secret.toString("base64"), ...inside];
  return forms.flatMap((form) => [form, form.replaceAll("+", "-").replaceAll("/", "_")]);
}
