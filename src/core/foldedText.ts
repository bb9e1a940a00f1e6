/** A text too long to stand open: its beginning, and how much is left out of it. */
export interface FoldedText {
  readonly shown: string;
  readonly lines: number;
  readonly characters: number;
}

const mostLines = 24;
const mostCharacters = 2000;

/** Null for a text that can stand as it is. What is left out has to be opened before it is agreed to. */
export function foldedText(text: string): FoldedText | null {
  const lines = text.trimEnd().split("\n");
  if (lines.length <= mostLines && text.length <= mostCharacters) return null;
  const head = lines.slice(0, mostLines).join("\n").slice(0, mostCharacters);
  // Half of a pair of surrogates would be shown as something that is not there.
  const shown = /[\uD800-\uDBFF]$/.test(head) ? head.slice(0, -1) : head;
  return {
    shown,
    lines: lines.length - shown.split("\n").length,
    characters: text.length - shown.length,
  };
}

/** How much is hidden, in words. */
export function hiddenWords({ lines, characters }: FoldedText): string {
  const long = `${characters.toLocaleString("en")} characters`;
  if (lines === 0) return `${long} more`;
  return `${lines.toLocaleString("en")} more ${lines === 1 ? "line" : "lines"}, ${long}`;
}
