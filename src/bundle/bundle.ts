import { createHash } from "node:crypto";
import { CairnError } from "../core/errors.ts";
import type { DurableDriver } from "../core/ports.ts";
import { countMarkers, type SecretKind } from "../core/redactedMark.ts";
import {
  recordBody,
  type JsonValue,
  type RecordBody,
  type SessionRecord,
} from "../core/records.ts";
import {
  blobText,
  bundleLimits,
  closingLine,
  headerText,
  leftOutText,
  recordText,
  sealed,
  sessionName,
  sumOf,
  type BundleLimits,
} from "./bundleFormat.ts";
import { decodeNote, encodeNote } from "./bundleNote.ts";
import { BundleReader, deepest, isDeep, type BundleContent } from "./bundleReader.ts";

export interface ExportOptions {
  /** The Cairn that writes, and when: for people who read the header. */
  readonly version: string;
  readonly madeAt: number;
  readonly redaction: ExportRedaction;
}

/** What takes secrets out of records, and finds them in files. */
export interface ExportRedaction {
  /** The value without secrets. A digest under one of these names stays, whatever it looks like. */
  value(value: JsonValue, digests: ReadonlySet<string>): JsonValue;
  kindsIn(text: string): ReadonlySet<SecretKind>;
}

export interface ImportOptions {
  readonly limits?: BundleLimits;
}

export interface BundleSummary {
  readonly session: string;
  readonly records: number;
  readonly blobs: number;
  readonly leftOut: number;
}

/** Names of the digests that records are checked by: redaction leaves them alone. */
const digests = new Set(["key", "operation", "digest", "tree", "base"]);

/**
 * The lines of a session's bundle, each with its line end: records without secrets, the blobs of
 * its trees, and for a blob whose text holds a secret a line that says so. The same session with
 * the same options gives the same bytes, also after it was imported elsewhere.
 *
 * Throws what `read` and `blobsOf` throw; `usage.invalid` when a registered secret is a word
 * that records are made of.
 */
export async function* exportBundle(
  driver: DurableDriver,
  session: string,
  options: ExportOptions,
): AsyncGenerator<string, void, void> {
  const { version, madeAt, redaction } = options;
  if (!sessionName.test(session)) {
    throw new CairnError(
      "usage.invalid",
      "A bundle's session is named by small letters, digits and hyphens, at most 64. Fork it under such a name.",
    );
  }
  const records = plainRecords(await driver.read(session), redaction);
  const { note, reasons } = await leftOutBefore(driver, session);
  const present = (await driver.blobsOf(session)).filter((digest) => digest !== note);
  const blobs = [...new Set([...present, ...reasons.keys()])].toSorted();
  const texts = records.map((record, index) => recordText(index + 1, record));
  const header = {
    session,
    madeAt,
    version,
    records: records.length,
    blobs: blobs.length,
    redacted: countMarkers(records.map((record) => JSON.stringify(record))),
  };
  const counts = { records: records.length, blobs: 0, leftOut: 0 };
  const hash = createHash("sha256");
  let sum = "";
  const line = (text: string): string => {
    sum = sumOf(text, sum);
    const whole = `${sealed(text, sum)}\n`;
    hash.update(whole);
    return whole;
  };
  yield line(headerText(header));
  for (const text of texts) yield line(text);
  for (const digest of blobs) {
    const content = reasons.get(digest) ?? (await contentOf(driver, digest, redaction));
    const left = typeof content === "string";
    counts[left ? "leftOut" : "blobs"] += 1;
    yield line(left ? leftOutText(digest, content) : blobText(digest, content));
  }
  yield `${closingLine(counts, hash.digest("hex"))}\n`;
}

/**
 * Stores the session of a bundle, to be read only, after all of it was verified: the order of the
 * lines, every record, every blob, the closing hash, the limits. Nothing of it is run, opened as
 * a path or believed.
 *
 * Throws `bundle.invalid` with the number of the line, `usage.invalid` when there is a session of
 * that name; both leave the store as it was.
 */
export async function importBundle(
  driver: DurableDriver,
  lines: AsyncIterable<string>,
  options: ImportOptions = {},
): Promise<BundleSummary> {
  const content = await readBundle(lines, options.limits ?? bundleLimits);
  const { header, records, blobs, leftOut } = content;
  const note = leftOut.size === 0 ? [] : [encodeNote(header.session, leftOut)];
  await driver.import(header.session, records, [...blobs, ...note]);
  return summaryOf(content);
}

/** The same checks without a store. */
export async function verifyBundle(
  lines: AsyncIterable<string>,
  options: ImportOptions = {},
): Promise<BundleSummary> {
  return summaryOf(await readBundle(lines, options.limits ?? bundleLimits));
}

async function readBundle(
  lines: AsyncIterable<string>,
  limits: BundleLimits,
): Promise<BundleContent> {
  const reader = new BundleReader(limits);
  for await (const line of lines) reader.take(line);
  return reader.content();
}

function summaryOf({ header, records, blobs, leftOut }: BundleContent): BundleSummary {
  return {
    session: header.session,
    records: records.length,
    blobs: blobs.length,
    leftOut: leftOut.size,
  };
}

/** As they go into the bundle: records still, with the digests that they had. */
function plainRecords(
  records: readonly SessionRecord[],
  redaction: ExportRedaction,
): readonly RecordBody[] {
  const bodies = records.map((record) => {
    const body = isDeep(record, deepest) ? undefined : recordBody.safeParse(record).data;
    if (body !== undefined) return body;
    throw new CairnError(
      "store.corrupt",
      `Record ${record.seq} of session ${record.session} cannot be exported: it is no record, or nested too deep. Run cairn verify.`,
    );
  });
  const value = redaction.value(bodies, digests);
  return (Array.isArray(value) ? value : []).map((body, index) => {
    const plain = recordBody.safeParse(body);
    if (plain.success && plain.data.kind === bodies[index]?.kind) return plain.data;
    throw new CairnError(
      "usage.invalid",
      `Record ${index + 1} is none any more without the known secrets: one of them is a word that records are made of. Export without it.`,
    );
  });
}

/** What earlier bundles of an imported session left out, and the blob that remembers it. */
async function leftOutBefore(
  driver: DurableDriver,
  session: string,
): Promise<{ readonly note: string | null; readonly reasons: ReadonlyMap<string, string> }> {
  const summary = (await driver.list()).find((each) => each.session === session);
  // A session of one's own has left nothing out: a file that looks like a note is just a file.
  for (const digest of summary?.readOnly === true ? await driver.blobsOf(session) : []) {
    const bytes = await driver.getBlob(digest).catch(() => null);
    const reasons = bytes === null ? null : decodeNote(session, bytes);
    if (reasons !== null) return { note: digest, reasons };
  }
  return { note: null, reasons: new Map() };
}

/** A blob's bytes, or why they stay out. */
async function contentOf(
  driver: DurableDriver,
  digest: string,
  redaction: ExportRedaction,
): Promise<Uint8Array | string> {
  let bytes: Uint8Array | null;
  try {
    bytes = await driver.getBlob(digest);
  } catch (error) {
    if (!CairnError.is(error, "store.corrupt")) throw error;
    return "it is damaged in the store";
  }
  if (bytes === null) return "it is not in the store";
  const most = bundleLimits.blobBytes;
  if (bytes.length > most) return `it is larger than ${most} bytes`;
  const kinds = redaction.kindsIn(textOf(bytes));
  return kinds.size === 0 ? bytes : `its text holds a secret: ${[...kinds].toSorted().join(", ")}`;
}

/** Text in its own encoding; of a binary file, the letters that it has. */
function textOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return buffer.toString("latin1");
  }
}
