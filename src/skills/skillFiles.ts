import { createHash } from "node:crypto";
import { CairnError } from "../core/errors.ts";

export interface SkillFile {
  readonly path: string;
  readonly text: string;
}

export const maxFileBytes = 1_000_000;
export const maxFiles = 1000;

/**
 * A plain relative path that every system reads alike: no separators but `/`, no control,
 * invisible or direction characters, no Windows device or short names, nothing that looks like an
 * option. Throws `skills.unsafe` and names the path.
 */
export function checkPath(path: string): void {
  for (const segment of path.split("/")) {
    const plain = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N} ._()+,@&'=-]*$/u.test(segment);
    const device = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(segment);
    if (!plain || device || /[. ]$/.test(segment) || Buffer.byteLength(segment) > 200) {
      throw unsafe(path, "its name could mean something else on another system");
    }
  }
}

/** Whether the file is none of the skills' business: `.gitattributes`, `.github/`, `.DS_Store`. */
export function isHidden(path: string): boolean {
  return path.split("/").some((segment) => /^\.[\w][\w.-]*$/.test(segment));
}

/** The text of a plain UTF-8 file. Throws `skills.unsafe` for anything else. */
export function checkText(path: string, bytes: Uint8Array): SkillFile {
  if (bytes.length > maxFileBytes) throw unsafe(path, `it is larger than ${maxFileBytes} bytes`);
  if (bytes.includes(0)) throw unsafe(path, "it is not plain text");
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return { path, text };
  } catch (error) {
    throw unsafe(path, "it is not plain text", error);
  }
}

/** Throws `skills.unsafe` when two names are one on a system that ignores case. */
export function checkDistinct(paths: readonly string[]): void {
  if (paths.length > maxFiles) {
    throw new CairnError(
      "skills.unsafe",
      `The skills hold more than ${maxFiles} files. Point to a folder that holds only skills.`,
    );
  }
  const seen = new Set<string>();
  for (const path of paths) {
    const folded = path.normalize("NFKC").toLowerCase();
    if (seen.has(folded)) throw unsafe(path, "another file has the same name but for its case");
    seen.add(folded);
  }
}

/** Over every file's path and bytes. */
export function digestOf(files: readonly SkillFile[]): string {
  const sorted = files.toSorted((left, right) => (left.path < right.path ? -1 : 1));
  const hash = createHash("sha256");
  for (const { path, text } of sorted) hash.update(JSON.stringify([path, text]));
  return hash.digest("hex");
}

export function unsafe(path: string, why: string, cause?: unknown): CairnError {
  return new CairnError(
    "skills.unsafe",
    `The skills were refused because of ${JSON.stringify(path)}: ${why}. Take it out or use another source.`,
    { cause, details: { path } },
  );
}
