import * as z from "zod";
import { jsonValue, type SessionRecord } from "./core/records.ts";
import type { WaitFacts } from "./core/sessions.ts";

/** An open wait with what the operator needs to place it. The card is rendered from the record. */
export interface PanelWait {
  readonly record: Extract<SessionRecord, { kind: "wait.opened" }>;
  readonly goal: string;
  /** Good for one answer to this wait, from the page that it was sent to. */
  readonly nonce: string;
  /** What is known beside the record; null when nothing is. */
  readonly facts: WaitFacts | null;
  /** A budget's figures as people read them; null for every other wait. */
  readonly amounts: { readonly used: string; readonly limit: string; readonly add: string } | null;
  /** Milliseconds until it ends as expired, as of this message: the panel's clock may be another. Null without a deadline. */
  readonly leftMs: number | null;
}

/** Host to panel: everything that is open now, whole; and what became of an answer. */
export type ToPanel =
  | { readonly kind: "waits"; readonly waits: readonly PanelWait[]; readonly focus: boolean }
  | {
      readonly kind: "refused";
      readonly wait: string;
      readonly session: string;
      readonly sentence: string;
      /** For the next answer; null when it takes none. */
      readonly nonce: string | null;
    };

/** What an answer says of the card that it was given on. */
const shownWait = {
  session: z.string(),
  wait: z.string(),
  /** The digest of what the panel showed. */
  digest: z.string(),
  nonce: z.string(),
};

/** Panel to host. Parsed before use: the panel is untrusted. */
export const fromPanel = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("ready") }),
  z.strictObject({
    kind: z.literal("answer"),
    ...shownWait,
    /** The host checks it against the wait, and its answer counts. */
    answer: jsonValue,
  }),
  /** Takes one question back; the session goes on without an answer. */
  z.strictObject({ kind: z.literal("abort"), ...shownWait }),
  z.strictObject({ kind: z.literal("openReplay"), session: z.string() }),
]);
export type FromPanel = z.infer<typeof fromPanel>;
