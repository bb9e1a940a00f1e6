import { visibleText } from "../core/visibleText.ts";

/** A fenced block that its text cannot close: nothing in it is a link, HTML or a heading. */
export function fence(language: string, text: string): readonly string[] {
  const marks = "`".repeat(Math.max(2, longestRun(text)) + 1);
  return [marks + language, ...visibleText(text).split("\n"), marks];
}

/** A text on one line that is nothing but text. */
export function inline(text: string): string {
  const line = visibleText(text.replaceAll(/\s+/g, " ").trim());
  const marks = "`".repeat(longestRun(line) + 1);
  const space = line.startsWith("`") || line.endsWith("`") || line === "" ? " " : "";
  return marks + space + line + space + marks;
}

/** A sentence of ours that may have a name in it: every mark of markdown stands for itself. */
export function escaped(text: string): string {
  return visibleText(text.replaceAll(/\s+/g, " ")).replaceAll(/[!-/:-@[-`{-~]/g, "\\$&");
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}
