import * as z from "zod";
import { decision, type SessionRecord, type SessionStatus } from "./core/records.ts";

/** An open wait with what the operator needs to place it. The card is rendered from the record. */
export interface PanelWait {
  readonly record: Extract<SessionRecord, { kind: "wait.opened" }>;
  readonly goal: string;
  readonly status: SessionStatus;
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
    answer: z.union([decision, z.string()]),
  }),
  z.object({ kind: z.literal("openReplay"), session: z.string() }),
]);
export type FromPanel = z.infer<typeof fromPanel>;
