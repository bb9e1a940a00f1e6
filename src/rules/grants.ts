import { createHmac, timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import * as z from "zod";
import { canonical } from "../core/canonical.ts";
import { jsonValue } from "../core/records.ts";
import { rule, type Rule } from "../core/rule.ts";
import { readOwn, stampOf } from "./ownFile.ts";
import { locked, writeWhole } from "./writeWhole.ts";

const grantFile = z.strictObject({ epoch: z.int().min(0), rules: z.array(rule), mac: z.string() });
const epochFile = z.coerce.number().int().min(0);

export interface Granted {
  readonly rules: readonly Rule[];
  /** Why grants that are there do not count, in a sentence; null when all do. */
  readonly notice: string | null;
}

const none: Granted = { rules: [], notice: null };

/**
 * What the operator allowed for more than once: signed as a whole, and of one epoch, so that
 * raising the epoch takes all of it back. What does not verify allows nothing.
 */
export class Grants {
  readonly path: string;
  readonly #epoch: string;
  readonly #lock: string;
  readonly #key: Uint8Array;

  /** `root` is outside of every workspace, `key` is of this machine's user. */
  constructor(root: string, key: Uint8Array) {
    this.path = join(root, "grants.json");
    this.#epoch = join(root, "grants.epoch");
    this.#lock = join(root, "grants.lock");
    this.#key = createHmac("sha256", key).update("cairn grants").digest();
  }

  stamp(): string {
    return `${stampOf(this.path)} ${stampOf(this.#epoch)}`;
  }

  async read(): Promise<Granted> {
    const found = await readOwn(this.path, "user");
    if (found.kind === "absent") return none;
    const nothing = (why: string): Granted => ({
      rules: [],
      notice: `${this.path} ${why}: nothing of it counts. cairn rules revoke-all starts anew.`,
    });
    if (found.kind !== "text") return nothing(found.why);
    const parsed = grantFile.safeParse(toJson(found.text));
    if (!parsed.success || !this.#isOurs(parsed.data)) return nothing("was not written by Cairn");
    const { epoch, rules } = parsed.data;
    return epoch === (await this.#now()) ? { rules, notice: null } : none;
  }

  /** Adds rules to those that count; one of the same id is replaced. Throws `rules.unwritable`. */
  async add(more: readonly Rule[]): Promise<void> {
    const ids = new Set(more.map(({ id }) => id));
    await this.#change((rules) => [...rules.filter(({ id }) => !ids.has(id)), ...more]);
  }

  /** False when there is no such grant. Throws `rules.unwritable`. */
  async remove(id: string): Promise<boolean> {
    let found = false;
    await this.#change((rules) => {
      found = rules.some((one) => one.id === id);
      return rules.filter((one) => one.id !== id);
    });
    return found;
  }

  /** Takes everything back: also what another process is writing just now. Resolves with how many there were. */
  async revokeAll(): Promise<number> {
    return locked(this.#lock, async () => {
      const { rules } = await this.read();
      const epoch = (await this.#now()) + 1;
      await writeWhole(this.#epoch, `${epoch}\n`);
      await this.#write(epoch, []);
      return rules.length;
    });
  }

  async #change(change: (rules: readonly Rule[]) => readonly Rule[]): Promise<void> {
    await locked(this.#lock, async () => {
      const { rules } = await this.read();
      await this.#write(await this.#now(), change(rules));
    });
  }

  async #write(epoch: number, rules: readonly Rule[]): Promise<void> {
    const signed = { epoch, rules: [...rules], mac: this.#mac(epoch, rules) };
    await writeWhole(this.path, `${JSON.stringify(signed, null, 2)}\n`);
  }

  async #now(): Promise<number> {
    const found = await readOwn(this.#epoch, "user");
    if (found.kind === "absent") return 0;
    // An epoch that cannot be read is none that a grant could be of.
    return found.kind === "text" ? (epochFile.safeParse(found.text.trim()).data ?? -1) : -1;
  }

  #isOurs({ epoch, rules, mac }: z.infer<typeof grantFile>): boolean {
    const [given, wanted] = [Buffer.from(mac), Buffer.from(this.#mac(epoch, rules))];
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  #mac(epoch: number, rules: readonly Rule[]): string {
    const text = canonical(jsonValue.parse([epoch, rules]));
    return createHmac("sha256", this.#key).update(text).digest("hex");
  }
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
