import { createHash } from "node:crypto";
import { CairnError } from "../core/errors.ts";
import { countMarkers, secretKinds } from "../core/redactedMark.ts";
import { recordBody, type RecordBody } from "../core/records.ts";
import {
  blobText,
  bundleFormat,
  closingLine,
  digestText,
  headerText,
  leftOutText,
  reasonText,
  sessionName,
  sumOf,
  unsealed,
  type BundleHeader,
  type BundleLimits,
} from "./bundleFormat.ts";

export interface BundleContent {
  readonly header: BundleHeader;
  readonly records: readonly RecordBody[];
  readonly blobs: readonly Uint8Array[];
  /** Why each blob that is missing was left out, by its digest. */
  readonly leftOut: ReadonlyMap<string, string>;
}

/** Deeper values take more stack to check than there may be. */
export const deepest = 500;

/** Takes the lines of a bundle one by one, and believes nothing that it did not check. */
export class BundleReader {
  readonly #limits: BundleLimits;
  readonly #hash = createHash("sha256");
  readonly #records: RecordBody[] = [];
  readonly #blobs: Uint8Array[] = [];
  readonly #leftOut = new Map<string, string>();
  #header: BundleHeader | null = null;
  #digest = "";
  #sum = "";
  #lines = 0;
  #bytes = 0;
  #closed = false;

  constructor(limits: BundleLimits) {
    this.#limits = limits;
  }

  /** Throws `bundle.invalid`, with the line's number, for the first line that is not as it must be. */
  take(given: string): void {
    this.#lines += 1;
    const line = given.endsWith("\n") ? given.slice(0, -1) : given;
    if (this.#closed) throw this.#invalid("stands after the closing line");
    this.#bytes += Buffer.byteLength(line) + 1;
    this.#atMost("lineBytes", Buffer.byteLength(line));
    this.#atMost("bytes", this.#bytes);
    const header = this.#header;
    if (header === null) this.#header = this.#headerOf(line);
    else if (this.#records.length < header.records) this.#takeRecord(this.#unsealed(line));
    else if (this.#blobLines() < header.blobs) this.#takeBlob(this.#unsealed(line));
    else return this.#close(line, header);
    this.#hash.update(line).update("\n");
  }

  /** What was read, once the closing line was. */
  content(): BundleContent {
    if (this.#header === null || !this.#closed) {
      this.#lines += 1;
      throw this.#invalid("is missing: the bundle was cut off");
    }
    return {
      header: this.#header,
      records: this.#records,
      blobs: this.#blobs,
      leftOut: this.#leftOut,
    };
  }

  #headerOf(line: string): BundleHeader {
    const format = field(this.#parsed(line), "cairnBundle");
    if (isCount(format) && format > bundleFormat) {
      throw new CairnError(
        "bundle.invalid",
        `The bundle has format ${format}, this Cairn reads format ${bundleFormat}. Update Cairn to open it.`,
        { details: { line: 1, format } },
      );
    }
    if (format !== bundleFormat) {
      throw this.#invalid("is no header of a Cairn bundle, whose name ends in .cairn.jsonl");
    }
    const text = this.#unsealed(line);
    const found = this.#parsed(text);
    const session = field(found, "session");
    if (typeof session !== "string" || !sessionName.test(session)) {
      throw this.#invalid("names no session: lower-case letters, digits and hyphens, at most 64");
    }
    const header = headerFrom(session, found);
    if (header === null) throw this.#invalid("is not a whole header");
    this.#atMost("records", header.records);
    this.#atMost("blobs", header.blobs);
    // What would not be written is not read: unknown parts, another order.
    if (headerText(header) !== text) throw this.#invalid("has parts that are not known");
    return header;
  }

  #takeRecord(text: string): void {
    const found = this.#parsed(text);
    const seq = this.#records.length + 1;
    if (field(found, "seq") !== seq) throw this.#invalid(`is not record ${seq}`);
    const raw = field(found, "record");
    if (isDeep(raw, deepest)) throw this.#invalid("is nested too deep");
    const parsed = recordBody.safeParse(raw);
    if (!parsed.success || (parsed.data.kind === "session.started") !== (seq === 1)) {
      throw this.#invalid(`holds no record that can be number ${seq}`);
    }
    this.#records.push(parsed.data);
  }

  #takeBlob(text: string): void {
    const found = this.#parsed(text);
    const digest = field(found, "blob");
    if (typeof digest !== "string" || !digestText.test(digest)) {
      throw this.#invalid("is neither a blob nor one that was left out");
    }
    if (digest <= this.#digest) throw this.#invalid("is out of order");
    this.#digest = digest;
    const reason = field(found, "leftOut");
    if (typeof reason === "string" && reasonText.test(reason)) {
      if (leftOutText(digest, reason) !== text) throw this.#invalid("has parts that are not known");
      this.#leftOut.set(digest, reason);
      return;
    }
    const [announced, data] = [field(found, "bytes"), field(found, "data")];
    if (!isCount(announced) || typeof data !== "string") throw this.#invalid("has no content");
    this.#atMost("blobBytes", announced);
    const bytes = Buffer.from(data, "base64");
    if (createHash("sha256").update(bytes).digest("hex") !== digest) {
      throw this.#invalid("has content that does not match its digest");
    }
    if (blobText(digest, bytes) !== text) throw this.#invalid("has parts that are not known");
    this.#blobs.push(bytes);
  }

  #close(line: string, header: BundleHeader): void {
    const records = this.#records.length;
    const counts = { records, blobs: this.#blobs.length, leftOut: this.#leftOut.size };
    if (closingLine(counts, this.#hash.digest("hex")) !== line) {
      throw this.#invalid("does not close the lines before it");
    }
    if (records === 0) throw this.#invalid("closes a bundle without records");
    const redacted = countMarkers(this.#records.map((record) => JSON.stringify(record)));
    if (JSON.stringify(redacted) !== JSON.stringify(header.redacted)) {
      this.#lines = 1;
      throw this.#invalid("counts other redactions than there are");
    }
    this.#closed = true;
  }

  #blobLines(): number {
    return this.#blobs.length + this.#leftOut.size;
  }

  #unsealed(line: string): string {
    const found = unsealed(line);
    if (found === null || sumOf(found.text, this.#sum) !== found.sum) {
      throw this.#invalid("is not what was written after the line before it");
    }
    this.#sum = found.sum;
    return found.text;
  }

  #parsed(text: string): unknown {
    try {
      const value: unknown = JSON.parse(text);
      return value;
    } catch (error) {
      throw this.#invalid("is not JSON", error);
    }
  }

  #atMost(limit: keyof BundleLimits, given: number): void {
    const most = this.#limits[limit];
    if (given <= most) return;
    throw new CairnError(
      "bundle.invalid",
      `Line ${this.#lines} takes the bundle over a limit: ${given} ${words[limit]}, at most ${most} are read. Raise the limit if you trust where it comes from.`,
      { details: { line: this.#lines, limit, given, most } },
    );
  }

  #invalid(what: string, cause?: unknown): CairnError {
    return new CairnError(
      "bundle.invalid",
      `Line ${this.#lines} of the bundle ${what}. It was changed or damaged on its way; export it again. Nothing was stored.`,
      { cause, details: { line: this.#lines } },
    );
  }
}

const words: Readonly<Record<keyof BundleLimits, string>> = {
  bytes: "bytes in all",
  lineBytes: "bytes in a line",
  records: "records",
  blobs: "blobs",
  blobBytes: "bytes in a blob",
};

function headerFrom(session: string, found: unknown): BundleHeader | null {
  const [madeAt, version] = [field(found, "madeAt"), field(found, "version")];
  const [records, blobs] = [field(found, "records"), field(found, "blobs")];
  const redacted = field(found, "redacted");
  if (!isCount(madeAt) || !isCount(records) || !isCount(blobs) || !isTally(redacted)) return null;
  if (typeof version !== "string" || !/^[\x20-\x7e]{1,64}$/.test(version)) return null;
  return { session, madeAt, version, records, blobs, redacted };
}

function isTally(value: unknown): value is BundleHeader["redacted"] {
  if (typeof value !== "object" || value === null) return false;
  const kinds = new Set<string>(secretKinds);
  return Object.entries(value).every(([kind, count]) => kinds.has(kind) && isCount(count));
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  const found: unknown = Reflect.get(value, name);
  return found;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Whether a value holds values more than so many levels down. */
export function isDeep(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((part) => isDeep(part, levels - 1));
}
