import { existsSync } from "node:fs";
import type { AuditAnchors, AuditHistory, AuditReport, KeptEntry } from "../core/audit.ts";
import { CairnError } from "../core/errors.ts";
import type { AuditEntry, AuditLog, Log, Redactor } from "../core/ports.ts";
import { Anchoring } from "./anchoring.ts";
import type { AuditContent } from "./auditLine.ts";
import { prune } from "./prune.ts";
import { entriesOf } from "./readAudit.ts";
import { Segment } from "./segment.ts";
import { verify } from "./verify.ts";

export interface AuditTrailOptions {
  readonly directory: string;
  /** Places outside the log that know how far it came. */
  readonly anchors: readonly AuditAnchors[];
  readonly key: Uint8Array;
  /** This process and this boot of the machine, and whether others are proven to be gone. */
  readonly owner: string;
  readonly boot: string;
  readonly isGone: (writer: { readonly owner: string; readonly boot: string }) => boolean;
  readonly redactor: Pick<Redactor, "text">;
  readonly now: () => number;
  readonly log: Log;
  /** Entries after which an anchor is set; 64 when left out. */
  readonly anchorEvery?: number;
  /** Bytes after which a new file is begun; 8 MB when left out. */
  readonly segmentBytes?: number;
}

interface Waiting {
  readonly content: AuditContent;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A file of the log is let go of as a whole, so none goes on for ever. */
const segmentDays = 7;
const dayMs = 24 * 60 * 60_000;

/** Longer ones are cut: the digest is over the whole, and the session has it. */
const longestText = 2000;

/**
 * The audit log of one process: files of signed lines, each line chained to the one before, each
 * file with one writer only. Entries that are written while a sync is under way share the next.
 * Nothing is made before the first entry.
 */
export class AuditTrail implements AuditLog, AuditHistory {
  readonly #options: AuditTrailOptions;
  readonly #anchoring: Anchoring;
  readonly #waiting: Waiting[] = [];
  #segment: Segment | null = null;
  #writing: Promise<void> | null = null;
  #closed = false;

  constructor(options: AuditTrailOptions) {
    this.#options = options;
    this.#anchoring = new Anchoring(options);
  }

  async write(entry: AuditEntry): Promise<void> {
    return this.#add(this.#redacted(entry));
  }

  async verify(): Promise<AuditReport> {
    await this.#writing;
    return verify(this.#options);
  }

  async entries(): Promise<readonly KeptEntry[]> {
    await this.#writing;
    return entriesOf(this.#options);
  }

  async prune(before: number): Promise<number> {
    if (!existsSync(this.#options.directory)) return 0;
    return prune(this.#options, before, async (removed) => this.#add(removed));
  }

  /** Resolves when all is written and anchored. What is written later is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    this.#end();
    await this.#anchoring.close();
  }

  async #add(content: AuditContent): Promise<void> {
    if (this.#closed) throw unwritable(new Error("the log is closed"));
    const written = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ content, resolve, reject });
    });
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null;
    });
    return written;
  }

  async #writeAll(): Promise<void> {
    // What is written in the same moment shares the first sync already.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      try {
        await this.#append(batch.map(({ content }) => content));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        const refusal = unwritable(error);
        for (const { reject } of batch) reject(refusal);
      }
    }
  }

  async #append(contents: readonly AuditContent[]): Promise<void> {
    const { directory, key, owner, boot, segmentBytes = 8_000_000 } = this.#options;
    const at = this.#options.now();
    const old = this.#segment;
    const full =
      old !== null &&
      (old.bytes > segmentBytes || Math.abs(at - old.startedAt) > segmentDays * dayMs);
    if (full) this.#end();
    const segment = (this.#segment ??= new Segment(directory, { key, at }));
    const isNew = segment.tip.seq === 0;
    try {
      await segment.append(
        [...(isNew ? [{ kind: "opened" as const, owner, boot }] : []), ...contents],
        at,
      );
    } catch (error) {
      // Nobody knows what a failed sync left: the log goes on in a file of its own.
      this.#segment = null;
      segment.abandon();
      this.#anchoring.now(segment);
      throw error;
    }
    this.#anchoring.after(segment);
  }

  #end(): void {
    if (this.#segment === null) return;
    this.#segment.close();
    this.#anchoring.now(this.#segment);
    this.#segment = null;
  }

  #redacted(entry: AuditEntry): AuditContent {
    const { kind, session, step, operation, digest, by, what, outcome } = entry;
    const clean = (text: string): string => shortened(this.#options.redactor.text(text));
    return {
      kind,
      session: session === null ? null : clean(session),
      step: step === null ? null : clean(step),
      operation,
      digest,
      by: by === null ? null : { user: clean(by.user), surface: by.surface },
      what: clean(what),
      outcome: outcome === null ? null : clean(outcome),
    };
  }
}

function shortened(text: string): string {
  const over = text.length - longestText;
  return over <= 0 ? text : `${text.slice(0, longestText)}… (${over} more characters)`;
}

function unwritable(cause: unknown): CairnError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CairnError(
    "audit.unwritable",
    `The audit log cannot be written (${reason}), so nothing was done. Mend that, and retry.`,
    { cause },
  );
}
