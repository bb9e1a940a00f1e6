import * as z from "zod";
import { jsonValue, type SessionRecord } from "./core/records.ts";

/** An open wait with what the operator needs to place it. The card is rendered from the record. */
export interface PanelWait {
  readonly record: Extract<SessionRecord, { kind: "wait.opened" }>;
  readonly goal: string;
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
    };

/** Panel to host. Parsed before use: the panel is untrusted. */
export const fromPanel = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("ready") }),
  z.object({
    kind: z.literal("answer"),
    session: z.string(),
    wait: z.string(),
    /** The digest of what the panel showed. */
    digest: z.string(),
    /** The host checks it against the wait, and its answer counts. */
    answer: jsonValue,
  }),
  /** Takes one question back; the session goes on without an answer. */
  z.object({ kind: z.literal("abort"), session: z.string(), wait: z.string(), digest: z.string() }),
  z.object({ kind: z.literal("openReplay"), session: z.string() }),
]);
export type FromPanel = z.infer<typeof fromPanel>;
