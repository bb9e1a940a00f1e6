import * as z from "zod";
import type { AuditAnchor } from "../core/audit.ts";
import { Mac } from "./mac.ts";

const auditAnchor = z.object({
  segment: z.string(),
  seq: z.int().positive(),
  head: z.string(),
  at: z.number(),
  mac: z.string(),
});

export function signAnchor(key: Uint8Array, anchor: Omit<AuditAnchor, "mac">): AuditAnchor {
  return { ...anchor, mac: new Mac(key).of(textOf(anchor)) };
}

/** Null for what was not signed with the key, or is of another file than it lies for. */
export function readAnchor(key: Uint8Array, segment: string, value: unknown): AuditAnchor | null {
  const anchor = auditAnchor.safeParse(value).data;
  if (anchor === undefined || anchor.segment !== segment) return null;
  return new Mac(key).isOf(textOf(anchor), anchor.mac) ? anchor : null;
}

function textOf({ segment, seq, head, at }: Omit<AuditAnchor, "mac">): string {
  return `anchor\n${segment}\n${seq}\n${head}\n${at}`;
}
