import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { AuditContent } from "./auditLine.ts";
import { readAudit } from "./readAudit.ts";
import { verify, type VerifyOptions } from "./verify.ts";

/** Removes whole files by age, once `note` has put on record which. Resolves with their number. */
export async function prune(
  options: VerifyOptions,
  before: number,
  note: (removed: AuditContent) => Promise<void>,
): Promise<number> {
  const { directory, anchors, isGone } = options;
  const old = (await readAudit(options)).filter(({ lines, writer }) => {
    const last = lines.at(-1);
    return last !== undefined && last.head.at < before && writer !== null && isGone(writer);
  });
  if (old.length === 0) return 0;
  // What is damaged is evidence.
  const { damage } = await verify(options);
  const damaged = new Set(damage.map(({ file }) => file));
  const files = old
    .filter(({ file }) => !damaged.has(file))
    .map(({ file, lines }) => ({ file, entries: lines.length - 1 }));
  if (files.length === 0) return 0;
  await note({ kind: "removed", before, files });
  for (const { file } of files) {
    await rm(join(directory, file), { force: true });
    await Promise.all(anchors.map(async (place) => place.forget(file)));
  }
  return files.length;
}
