import { jsonValue } from "../core/records.ts";
import { digestText, reasonText } from "./bundleFormat.ts";

const title = "blobs that a Cairn bundle left out";

/**
 * A store has no place for a blob that is not there. What a bundle left out, and why, is kept as
 * one blob more of the imported session, so that its next bundle says the same.
 */
export function encodeNote(session: string, reasons: ReadonlyMap<string, string>): Uint8Array {
  return Buffer.from(JSON.stringify({ title, session, reasons: [...reasons] }));
}

/** Null for everything that is no note of this session. */
export function decodeNote(session: string, bytes: Uint8Array): ReadonlyMap<string, string> | null {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const head = JSON.stringify({ title, session, reasons: [] }).slice(0, -2);
  if (!text.subarray(0, head.length).equals(Buffer.from(head))) return null;
  const reasons = reasonsIn(text.toString());
  // Only what `encodeNote` would write.
  return reasons !== null && text.equals(encodeNote(session, reasons)) ? reasons : null;
}

function reasonsIn(text: string): ReadonlyMap<string, string> | null {
  const note = jsonValue.safeParse(parsed(text)).data;
  if (typeof note !== "object" || note === null || Array.isArray(note)) return null;
  const { reasons } = note;
  if (!Array.isArray(reasons)) return null;
  const read = new Map<string, string>();
  for (const entry of reasons) {
    if (!Array.isArray(entry)) return null;
    const [digest, reason] = entry;
    if (typeof digest !== "string" || !digestText.test(digest)) return null;
    if (typeof reason !== "string" || !reasonText.test(reason)) return null;
    read.set(digest, reason);
  }
  return read;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
