import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { AuditFinding } from "../core/audit.ts";
import { LineSigner, type SignedLine } from "./auditLine.ts";

/** A file of the log as it was found. */
export interface ReadSegment {
  readonly file: string;
  /** Lines that bear their signature, as they lie, each with its number. */
  readonly lines: readonly (SignedLine & { readonly line: number })[];
  readonly damage: readonly AuditFinding[];
  /** The last entry that there is a line for, whatever that line says. */
  readonly reached: number;
  /** Number of a last line that has no end; null when there is none. */
  readonly torn: number | null;
  /** Who writes it; null when its first line does not say. */
  readonly writer: { readonly owner: string; readonly boot: string } | null;
}

/** Reads a file of the log, without following a link. Never throws: what cannot be read is damage. */
export async function readSegment(
  directory: string,
  file: string,
  key: Uint8Array,
): Promise<ReadSegment> {
  try {
    return checked(file, await textOf(join(directory, file)), key);
  } catch (error) {
    const reason = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    return {
      file,
      lines: [],
      damage: [{ file, line: null, reason }],
      reached: 0,
      torn: null,
      writer: null,
    };
  }
}

async function textOf(path: string): Promise<string> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const opened = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    if (!(await opened.stat()).isFile()) throw new Error("it is not a file");
    return await opened.readFile("utf8");
  } finally {
    await opened.close();
  }
}

function checked(file: string, text: string, key: Uint8Array): ReadSegment {
  const signer = new LineSigner(key, file);
  const texts = text.split("\n");
  const rest = texts.pop() ?? "";
  const lines: (SignedLine & { readonly line: number })[] = [];
  const damage: AuditFinding[] = [];
  const order = new Order();
  for (const [index, each] of texts.entries()) {
    const line = index + 1;
    const read = signer.read(each);
    const reason = read === null ? order.unsigned() : order.signed(read);
    if (read !== null) lines.push({ ...read, line });
    if (reason !== null) damage.push({ file, line, reason });
  }
  const first = lines[0]?.content;
  const writer = first?.kind === "opened" ? { owner: first.owner, boot: first.boot } : null;
  const torn = rest === "" ? null : texts.length + 1;
  return { file, lines, damage, reached: order.reached, torn, writer };
}

/** Whether each line is the one that comes after the line before it. */
class Order {
  #next = 1;
  /** Signature of the line before; null when that one does not say. */
  #prev: string | null = "";
  #broken = false;

  get reached(): number {
    return this.#next - 1;
  }

  /** Lines that say nothing are reported once for each run of them. */
  unsigned(): string | null {
    const again = this.#broken;
    this.#broken = true;
    this.#prev = null;
    this.#next += 1;
    return again
      ? null
      : "was changed, or was not written by Cairn here: it does not bear the log's signature";
  }

  signed({ head: { seq, prev }, mac }: SignedLine): string | null {
    const wanted = this.#next;
    const follows = this.#prev === null || prev === this.#prev;
    // After lines that say nothing, their number is not to be trusted either.
    const afterBroken = this.#broken;
    this.#broken = false;
    if (seq < wanted && !afterBroken) {
      return `holds entry ${seq} where entry ${wanted} belongs: it was copied here, or lines changed places`;
    }
    this.#next = seq + 1;
    this.#prev = mac;
    if (seq > wanted) {
      return `holds entry ${seq} where entry ${wanted} belongs: entries are missing before it, or lines changed places`;
    }
    return follows ? null : "does not follow the line before it";
  }
}
