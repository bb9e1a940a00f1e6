import { createHmac, timingSafeEqual } from "node:crypto";

/** Who keeps a container, and the key that proves it: kept under Cairn's own root, never inside. */
export interface Keeper {
  /** Machine, process and process start. */
  readonly owner: string;
  /** The machine's boot: process numbers and starts begin again with it. */
  readonly boot: string;
  readonly key: Uint8Array;
}

/** A container, network or volume that was made by a Cairn with our key. */
export interface Kept {
  readonly session: string;
  readonly owner: string;
  readonly boot: string;
}

/** What all of ours have in common, for the engine's filter. It proves nothing. */
export const ourLabel = "cairn=1";

/** Labels that nobody without the key can make; an image or a copy of them cannot either. */
export function labelsFor(session: string, { owner, boot, key }: Keeper): Record<string, string> {
  return {
    cairn: "1",
    "cairn.session": session,
    "cairn.owner": owner,
    "cairn.boot": boot,
    "cairn.seal": seal({ session, owner, boot }, key).toString("hex"),
  };
}

/** Null for what is not ours, whatever it says. */
export function readLabels(
  labels: Readonly<Record<string, string>> | null | undefined,
  key: Uint8Array,
): Kept | null {
  const session = labels?.["cairn.session"] ?? "";
  const owner = labels?.["cairn.owner"] ?? "";
  const boot = labels?.["cairn.boot"] ?? "";
  const given = Buffer.from(labels?.["cairn.seal"] ?? "", "hex");
  const wanted = seal({ session, owner, boot }, key);
  const ours = given.length === wanted.length && timingSafeEqual(given, wanted);
  return ours ? { session, owner, boot } : null;
}

function seal({ session, owner, boot }: Kept, key: Uint8Array): Buffer {
  return createHmac("sha256", key)
    .update(JSON.stringify(["what the sandbox engine keeps for Cairn", session, owner, boot]))
    .digest();
}
