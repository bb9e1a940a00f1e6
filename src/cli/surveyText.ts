import type { Survey } from "../core/ports.ts";
import { bytesInWords } from "../core/bytesInWords.ts";
import { plain } from "./plain.ts";

const shown = 8;

/** What a session's copy will have and what it leaves out, before it is made. */
export function surveyText({ files, bytes, leftOut }: Survey): string {
  const left = leftOut.slice(0, shown).map(({ path, reason }) => `  ${path} (${reason})\n`);
  const more = leftOut.length > shown ? `  and ${leftOut.length - shown} more\n` : "";
  const heading = leftOut.length === 0 ? "" : "; left out of it:";
  const what = `The session gets a copy of ${files} files, ${bytesInWords(bytes)}${heading}\n`;
  return plain([what, ...left, more].join(""));
}
