import type { AuditEntry, StoreProblem } from "./ports.ts";

/** An entry of the audit log as it is kept. Order is the log's; `at` is for people. */
export interface KeptEntry extends Omit<AuditEntry, "kind"> {
  /** `removed` is the log's own: files of it were let go of, by age. */
  readonly kind: AuditEntry["kind"] | "removed";
  readonly at: number;
  readonly file: string;
  /** Counts from 1 within its file, without gaps; the file's own head is the first. */
  readonly seq: number;
}

/** Something about a file of the log, as one sentence. */
export interface AuditFinding {
  readonly file: string;
  /** Null where it is about the file as a whole. */
  readonly line: number | null;
  readonly reason: string;
}

export interface AuditReport {
  /** Where the log lies. */
  readonly directory: string;
  readonly files: number;
  readonly entries: number;
  /** What can only come of somebody's hand or of a broken disk. Empty when the log is sound. */
  readonly damage: readonly AuditFinding[];
  /** What crashes leave: lines that were not finished, effects whose end nobody saw. */
  readonly remarks: readonly AuditFinding[];
}

/** How far a file of the log is known to have come, signed: what a cut or removed file is found by. */
export interface AuditAnchor {
  readonly segment: string;
  readonly seq: number;
  /** Signature of the line with that `seq`. */
  readonly head: string;
  readonly at: number;
  readonly mac: string;
}

/** A place outside the log for anchors. May throw: the log goes on, and tries again later. */
export interface AuditAnchors {
  /** Keeps the anchor in place of an older one of the same file. */
  save(anchor: AuditAnchor): Promise<void>;
  /** All that are kept, by file, as they were given; what is not readable is left as it is found. */
  load(): Promise<ReadonlyMap<string, unknown>>;
  forget(segment: string): Promise<void>;
}

/** The log as people look at it. */
export interface AuditHistory {
  /** Checks every line of every file against its signature, the line before it and the anchors. */
  verify(): Promise<AuditReport>;
  /** What is kept and bears its signature, in order: of each file by its own count, never by the clock. */
  entries(): Promise<readonly KeptEntry[]>;
  /**
   * Removes the files whose newest entry is older than this, after that is on record. Damaged
   * files and those of living writers stay. Resolves with how many it removed.
   */
  prune(before: number): Promise<number>;
}

/** A finding as one line that begins with its place. Names of files and texts of models are in it: nothing of them moves a cursor. */
export function findingInWords({ file, line, reason }: AuditFinding): string {
  const sentence = `${file}${line === null ? "" : `, line ${line}`} ${reason}`;
  return sentence.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
}

/** What is wrong with the log, beside what is wrong with a store. */
export function auditProblems({ directory, damage }: AuditReport): readonly StoreProblem[] {
  return damage.map((finding) => {
    const reason = `The audit log in ${directory} is damaged: ${findingInWords(finding)}`;
    return { session: "", reason };
  });
}
