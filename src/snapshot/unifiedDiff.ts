import { createTwoFilesPatch } from "diff";

const maxDiffBytes = 64 * 1024;
/** Beyond these a line-by-line comparison takes seconds; both are fixed, so a diff never varies. */
const maxComparedChars = 1024 * 1024;
const maxEditLength = 2000;
const binaryProbe = 8 * 1024;

export function isBinary(bytes: Uint8Array): boolean {
  return bytes.subarray(0, binaryProbe).includes(0);
}

/** A unified diff of at most 64 KB; null stands for a file that is not there. */
export function unifiedDiff(path: string, from: string | null, to: string | null): string {
  const before = from ?? "";
  const after = to ?? "";
  const oldName = from === null ? "/dev/null" : `a/${path}`;
  const newName = to === null ? "/dev/null" : `b/${path}`;
  const compared =
    before.length + after.length > maxComparedChars
      ? undefined
      : createTwoFilesPatch(oldName, newName, before, after, undefined, undefined, {
          maxEditLength,
          headerOptions: { includeIndex: false, includeUnderline: false, includeFileHeaders: true },
        });
  return cut(compared ?? replaced(oldName, newName, before, after));
}

/** All old lines, then all new ones: true of any two files, and needs no comparison. */
function replaced(oldName: string, newName: string, before: string, after: string): string {
  const removed = lines(before);
  const added = lines(after);
  return [
    `--- ${oldName}`,
    `+++ ${newName}`,
    `@@ -${range(removed)} +${range(added)} @@`,
    ...removed.map((line) => `-${line}`),
    ...added.map((line) => `+${line}`),
    "",
  ].join("\n");
}

function range(text: readonly string[]): string {
  return `${text.length === 0 ? 0 : 1},${text.length}`;
}

function lines(text: string): readonly string[] {
  if (text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

function cut(diff: string): string {
  const bytes = Buffer.from(diff);
  if (bytes.length <= maxDiffBytes) return diff;
  const end = bytes.lastIndexOf("\n", maxDiffBytes);
  return `${bytes.subarray(0, end).toString()}\n… diff cut at 64 KB`;
}
