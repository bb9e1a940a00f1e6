import * as z from "zod";
import { identity } from "../core/records.ts";
import { Mac } from "./mac.ts";

const nullable = z.nullable(z.string());

const entry = z.object({
  kind: z.enum([
    "asked",
    "answered",
    "refused",
    "sent",
    "decided",
    "began",
    "ended",
    "rule",
    "skills",
    "session",
  ]),
  session: nullable,
  step: nullable,
  operation: nullable,
  digest: nullable,
  by: z.nullable(identity),
  what: z.string(),
  outcome: nullable,
});

/** The first line of each file: who writes it. */
const opened = z.object({ kind: z.literal("opened"), owner: z.string(), boot: z.string() });

/** Files that were let go of because their newest entry was older than `before`. */
const removed = z.object({
  kind: z.literal("removed"),
  before: z.number(),
  files: z.array(z.object({ file: z.string(), entries: z.number() })),
});

export const auditContent = z.discriminatedUnion("kind", [entry, opened, removed]);
export type AuditContent = z.infer<typeof auditContent>;

const head = z.object({
  seq: z.int().positive(),
  /** Milliseconds since the epoch: for people. */
  at: z.number(),
  /** Milliseconds since the machine's boot, which nobody sets: for order among files. */
  up: z.number(),
  /** Signature of the line before, empty for the first. */
  prev: z.string(),
});
type Head = z.infer<typeof head>;

export interface SignedLine {
  readonly head: Head;
  readonly content: AuditContent;
  readonly mac: string;
}

const signed = /^(\{.*),"mac":"([0-9a-f]{64})"\}$/s;

/** Writes and reads the lines of one file. A line is signed with the file's name, so it is of no other. */
export class LineSigner {
  readonly #mac: Mac;
  readonly #segment: string;

  constructor(key: Uint8Array, segment: string) {
    this.#mac = new Mac(key);
    this.#segment = segment;
  }

  line(place: Head, content: AuditContent): { readonly text: string; readonly mac: string } {
    const body = JSON.stringify({ ...place, ...content });
    const mac = this.#mac.of(this.#signed(body));
    return { text: `${body.slice(0, -1)},"mac":"${mac}"}\n`, mac };
  }

  /** Null for what was not written here by a holder of the key. */
  read(line: string): SignedLine | null {
    const [, body, mac] = signed.exec(line) ?? [];
    if (body === undefined || mac === undefined) return null;
    if (!this.#mac.isOf(this.#signed(`${body}}`), mac)) return null;
    const value: unknown = JSON.parse(`${body}}`);
    return { head: head.parse(value), content: auditContent.parse(value), mac };
  }

  #signed(body: string): string {
    return `line\n${this.#segment}\n${body}`;
  }
}
