import type {
  AuditAnchor,
  AuditAnchors,
  AuditFinding,
  AuditReport,
  KeptEntry,
} from "../core/audit.ts";
import type { Log } from "../core/ports.ts";
import { readAnchor, signAnchor } from "./anchor.ts";
import { inOrder, readAudit, type AuditPlace } from "./readAudit.ts";
import type { ReadSegment } from "./readSegment.ts";
import { segmentName } from "./segment.ts";

export interface VerifyOptions extends AuditPlace {
  readonly anchors: readonly AuditAnchors[];
  readonly isGone: (writer: { readonly owner: string; readonly boot: string }) => boolean;
  readonly log: Log;
}

/** Checks the whole log. What was sound is anchored as far as it goes, whoever wrote it. */
export async function verify(options: VerifyOptions): Promise<AuditReport> {
  const { directory, isGone } = options;
  // Anchors first: what is written meanwhile is behind them.
  const known = await knownAnchors(options);
  const segments = await readAudit(options);
  const lives = new Set(segments.filter(({ writer }) => writer !== null && !isGone(writer)));
  const names = new Set(segments.map(({ file }) => file));
  const damage = [
    ...known.damage,
    ...segments.flatMap((segment) => damageOf(segment, known.newest.get(segment.file))),
    ...missing(
      [...known.newest.values()].filter(({ segment }) => !names.has(segment)),
      segments,
    ),
  ];
  const entries = inOrder(segments);
  const remarks = [
    ...segments.flatMap((segment) =>
      lives.has(segment) ? [] : unfinished(segment, known.newest.get(segment.file)),
    ),
    ...interrupted(entries, new Set([...lives].map(({ file }) => file))),
  ];
  if (damage.length === 0) await anchorAll(options, segments, known.newest);
  return { directory, files: segments.length, entries: entries.length, damage, remarks };
}

interface KnownAnchors {
  /** The furthest that any place knows of, by file. */
  readonly newest: ReadonlyMap<string, AuditAnchor>;
  readonly damage: readonly AuditFinding[];
}

async function knownAnchors({ anchors, key }: VerifyOptions): Promise<KnownAnchors> {
  const newest = new Map<string, AuditAnchor>();
  const damage: AuditFinding[] = [];
  for (const place of anchors) {
    for (const [segment, value] of await place.load()) {
      const anchor = readAnchor(key, segment, value);
      if (anchor === null) {
        damage.push({ file: segment, line: null, reason: "has an anchor that was changed" });
      } else if (anchor.seq > (newest.get(segment)?.seq ?? 0)) {
        newest.set(segment, anchor);
      }
    }
  }
  return { newest, damage };
}

function damageOf(segment: ReadSegment, anchor: AuditAnchor | undefined): readonly AuditFinding[] {
  const { file, damage } = segment;
  if (!segmentName.test(file)) {
    return [{ file, line: null, reason: "is no file of the log, and Cairn did not put it there" }];
  }
  const unread = damage.some(({ line }) => line === null);
  return anchor === undefined || unread ? damage : [...damage, ...cut(segment, anchor)];
}

/** What the anchor knows of and the file does not have. */
function cut(
  { file, lines, reached, torn }: ReadSegment,
  { seq, head }: AuditAnchor,
): readonly AuditFinding[] {
  const there = lines.find((line) => line.head.seq === seq);
  if (there !== undefined && there.mac !== head) {
    const reason = `holds another entry ${seq} than the one that is anchored`;
    return [{ file, line: there.line, reason }];
  }
  if (reached >= seq) return [];
  if (torn !== null) {
    const reason = `is cut in the middle: the file had ${seq} entries, and ${reached} are left`;
    return [{ file, line: torn, reason }];
  }
  if (reached === 0) return [{ file, line: null, reason: `is empty, and had ${seq} entries` }];
  const reason = `is gone, with all behind it: the file had ${seq} entries, and ${reached} are left`;
  return [{ file, line: reached + 1, reason }];
}

/** Files that are known of and are not there, but for those that were let go of by age. */
function missing(
  anchors: readonly AuditAnchor[],
  segments: readonly ReadSegment[],
): readonly AuditFinding[] {
  const before = segments
    .flatMap(({ lines }) => lines)
    .map(({ content }) => (content.kind === "removed" ? content.before : 0))
    .reduce((most, each) => Math.max(most, each), 0);
  return anchors
    .filter(({ at }) => at >= before)
    .map(({ segment, seq }) => {
      const reason = `is gone, and had ${seq} entries; nothing says that it was let go of`;
      return { file: segment, line: null, reason };
    });
}

function unfinished(
  { file, reached, torn, damage }: ReadSegment,
  anchor: AuditAnchor | undefined,
): readonly AuditFinding[] {
  if (damage.length > 0 || !segmentName.test(file)) return [];
  if ((anchor?.seq ?? 0) > reached) return [];
  if (torn !== null) {
    const reason =
      "was not finished: its writer or the machine stopped while it was written, and nothing that waits for it was done";
    return [{ file, line: torn, reason }];
  }
  if (reached > 0) return [];
  return [{ file, line: null, reason: "is empty: its writer stopped before the first entry" }];
}

/** Effects that began and whose end nobody saw; those of living writers may be under way. */
function interrupted(
  entries: readonly KeptEntry[],
  living: ReadonlySet<string>,
): readonly AuditFinding[] {
  const open = new Map<string, KeptEntry>();
  for (const entry of entries) {
    if (entry.operation === null) continue;
    if (entry.kind === "began") open.set(entry.operation, entry);
    if (entry.kind === "ended") open.delete(entry.operation);
  }
  return [...open.values()]
    .filter(({ file }) => !living.has(file))
    .map(({ file, seq, session, step, what }) => {
      const reason = `is of an effect without an end, so it was interrupted: ${step ?? "a step"} of session ${session ?? "?"}, ${what}`;
      return { file, line: seq, reason };
    });
}

async function anchorAll(
  { key, anchors, log }: VerifyOptions,
  segments: readonly ReadSegment[],
  known: ReadonlyMap<string, AuditAnchor>,
): Promise<void> {
  for (const { file, lines } of segments) {
    const last = lines.at(-1);
    if (last === undefined || known.get(file)?.seq === last.head.seq) continue;
    const { seq, at } = last.head;
    const anchor = signAnchor(key, { segment: file, seq, head: last.mac, at });
    for (const place of anchors) {
      await place.save(anchor).catch((error: unknown) => {
        log(`the audit log was not anchored: ${String(error)}`);
      });
    }
  }
}
