import { createHash } from "node:crypto";
import type { RecordBody } from "../core/records.ts";
import type { SecretKind } from "../core/redactedMark.ts";

/**
 * A bundle is a text of lines, each of them JSON: a header, the records in order, the blobs sorted
 * by digest, a closing line. Raised when a reader of this version could not read it.
 */
export const bundleFormat = 1;

export interface BundleHeader {
  readonly session: string;
  /** Milliseconds since the epoch, for people. */
  readonly madeAt: number;
  /** The Cairn that wrote it, for people. */
  readonly version: string;
  readonly records: number;
  /** Lines for blobs, those that were left out included. */
  readonly blobs: number;
  /** How many secrets of what kind are taken out of the records. */
  readonly redacted: Readonly<Partial<Record<SecretKind, number>>>;
}

/** What a reader takes before it gives up; all of a bundle is held in memory until it is verified. */
export interface BundleLimits {
  readonly bytes: number;
  readonly lineBytes: number;
  readonly records: number;
  readonly blobs: number;
  readonly blobBytes: number;
}

const mebibyte = 1024 * 1024;
export const bundleLimits: BundleLimits = {
  bytes: 512 * mebibyte,
  lineBytes: 128 * mebibyte,
  records: 250_000,
  blobs: 250_000,
  blobBytes: 64 * mebibyte,
};

/** Names a session everywhere, and is never a path. */
export const sessionName = /^[a-z0-9-]{1,64}$/;
export const digestText = /^[0-9a-f]{64}$/;
/** Why a blob was left out is shown to people: no control characters, nothing to format. */
export const reasonText = /^[a-z0-9 :,]{1,300}$/;

export function headerText(header: BundleHeader): string {
  const { session, madeAt, version, records, blobs, redacted } = header;
  const cairnBundle = bundleFormat;
  return JSON.stringify({ cairnBundle, session, madeAt, version, records, blobs, redacted });
}

export function recordText(seq: number, record: RecordBody): string {
  return JSON.stringify({ seq, record });
}

export function blobText(digest: string, bytes: Uint8Array): string {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  return JSON.stringify({ blob: digest, bytes: bytes.length, data });
}

export function leftOutText(digest: string, reason: string): string {
  return JSON.stringify({ blob: digest, leftOut: reason });
}

/** `sha256` is over all bytes before this line, line ends included. */
export function closingLine(
  counts: { readonly records: number; readonly blobs: number; readonly leftOut: number },
  sha256: string,
): string {
  const { records, blobs, leftOut } = counts;
  return JSON.stringify({ end: { records, blobs, leftOut }, sha256 });
}

/**
 * The closing hash says that something was changed; the sum in each line, over its text and the
 * sum of the line before, says where.
 */
export function sumOf(text: string, before: string): string {
  return createHash("sha256").update(before).update(text).digest("hex").slice(0, 16);
}

export function sealed(text: string, sum: string): string {
  return `${text.slice(0, -1)},"sum":"${sum}"}`;
}

/** What was sealed, and with what sum; null for a line without one. */
export function unsealed(line: string): { readonly text: string; readonly sum: string } | null {
  const tail = /,"sum":"([0-9a-f]{16})"\}$/.exec(line.slice(-27));
  const sum = tail?.[1];
  return tail === null || sum === undefined
    ? null
    : { text: `${line.slice(0, -tail[0].length)}}`, sum };
}
