import { readdir } from "node:fs/promises";
import type { KeptEntry } from "../core/audit.ts";
import { readSegment, type ReadSegment } from "./readSegment.ts";

export interface AuditPlace {
  readonly directory: string;
  readonly key: Uint8Array;
}

/** Every file of the log, oldest first by name; none when nothing was ever written. */
export async function readAudit({ directory, key }: AuditPlace): Promise<readonly ReadSegment[]> {
  const names = await readdir(directory).catch(() => []);
  const read: ReadSegment[] = [];
  for (const file of names.toSorted((left, right) => (left < right ? -1 : 1)))
    read.push(await readSegment(directory, file, key));
  return read;
}

export async function entriesOf(place: AuditPlace): Promise<readonly KeptEntry[]> {
  return inOrder(await readAudit(place));
}

interface Queue {
  readonly segment: ReadSegment;
  next: number;
}

/**
 * The entries of all files as one list. Within a file the order is that of its lines, whatever the
 * clocks say. Among files of one boot of the machine it is the clock since boot, which nobody sets;
 * among boots the time of day.
 */
export function inOrder(segments: readonly ReadSegment[]): readonly KeptEntry[] {
  const boots = new Map<string, Queue[]>();
  for (const segment of segments) {
    const boot = segment.writer?.boot ?? "";
    boots.set(boot, [...(boots.get(boot) ?? []), { segment, next: 0 }]);
  }
  const began = (queues: readonly Queue[]): number =>
    Math.min(...queues.map(({ segment }) => segment.lines[0]?.head.at ?? 0));
  return [...boots.values()]
    .toSorted((left, right) => began(left) - began(right))
    .flatMap((queues) => merged(queues));
}

function merged(queues: readonly Queue[]): readonly KeptEntry[] {
  const entries: KeptEntry[] = [];
  const left = queues.filter(({ segment }) => segment.lines.length > 0);
  while (left.length > 0) {
    let first = 0;
    for (const [index, queue] of left.entries()) {
      if (upOf(queue) < upOf(left[first])) first = index;
    }
    const queue = left[first];
    const line = queue?.segment.lines[queue.next];
    if (queue === undefined || line === undefined) break;
    const entry = keptEntry(queue.segment.file, line);
    if (entry !== null) entries.push(entry);
    queue.next += 1;
    if (queue.next >= queue.segment.lines.length) left.splice(first, 1);
  }
  return entries;
}

function upOf(queue: Queue | undefined): number {
  return queue?.segment.lines[queue.next]?.head.up ?? Number.POSITIVE_INFINITY;
}

function keptEntry(
  file: string,
  { head, content }: ReadSegment["lines"][number],
): KeptEntry | null {
  const { at, seq } = head;
  switch (content.kind) {
    case "opened":
      return null;
    case "removed": {
      const what = `Removed by age: ${content.files.map((gone) => `${gone.file} (${gone.entries} entries)`).join(", ")}`;
      const none = { session: null, step: null, operation: null, digest: null, by: null };
      return { kind: "removed", at, file, seq, ...none, what, outcome: null };
    }
    case "asked":
    case "answered":
    case "refused":
    case "sent":
    case "decided":
    case "began":
    case "ended":
    case "rule":
    case "skills":
    case "session":
      return { ...content, at, file, seq };
  }
}
