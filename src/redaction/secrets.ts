import { CairnError } from "../core/errors.ts";
import type { SecretKind } from "../core/redactedMark.ts";
import type { Redactor } from "../core/ports.ts";
import type { JsonValue } from "../core/records.ts";
import { KnownSecrets } from "./knownSecrets.ts";
import { redact, redactOne, type RedactOptions } from "./redact.ts";
import { redactText, type Telling } from "./redactText.ts";
import { SecretStream } from "./secretStream.ts";

/** Names of variables whose values are secrets. */
const secretNames = /(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)(?:_?\d+)?$/i;

/** The secrets that one process knows of, and what finds them. Nothing of it is ever on disk. */
export class Secrets {
  readonly #known = new KnownSecrets();
  readonly #persisted: RedactOptions = { known: this.#known, sure: true, digests: "all" };
  readonly #exported: Telling = { known: this.#known, sure: false };

  /** For all that is kept, shown and given to a model: what is known, and what is surely a secret. */
  readonly persisted: Redactor = {
    text: (text) => redactOne(text, this.#persisted),
    value: (value) => redact(value, this.#persisted).value,
  };

  /** For logs and for what leaves the machine: all that may be a secret. */
  readonly exported = {
    text: (text: string): string => redactText(text, this.#exported).text,
    /** Digests under these names stay. */
    value: (value: JsonValue, digests: ReadonlySet<string>): JsonValue =>
      redact(value, { ...this.#exported, digests }).value,
    kindsIn: (text: string): ReadonlySet<SecretKind> =>
      new Set(redactText(text, this.#exported).found),
  };

  /** A value that is secret from now on. Those shorter than six characters are passed over. */
  register(value: string): void {
    this.#known.add(value);
  }

  /** The values of those variables whose names say that they are secrets. */
  registerEnvironment(environment: Readonly<Record<string, string | undefined>>): void {
    for (const [name, value = ""] of Object.entries(environment)) {
      if (secretNames.test(name)) this.register(value.trim());
    }
  }

  /** The same, and what it reads is registered. */
  keeping(read: (url: string) => Promise<string | null>): (url: string) => Promise<string | null> {
    return async (url) => {
      const value = await read(url);
      if (value !== null) this.register(value);
      return value;
    };
  }

  /** Whether a file's bytes hold a registered value exactly as it is. */
  areIn(bytes: Uint8Array): boolean {
    return this.#known.areIn(bytes);
  }

  /** Records keep a model's address as it is, for calls are made to it. Throws `usage.invalid`. */
  checkAddress(url: string): void {
    if (redactText(url, this.#exported).found.length === 0) return;
    throw new CairnError(
      "usage.invalid",
      "The address of the model has a secret in it, and records would keep it. Take it out of the address and give it as the API key.",
    );
  }

  /** For what comes in pieces: a secret is found wherever it is cut. */
  stream(): SecretStream {
    return new SecretStream(this.#persisted);
  }
}
