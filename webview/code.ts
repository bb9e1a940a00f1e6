import { foldedText, hiddenWords } from "../src/core/foldedText.ts";
import { deceptions } from "../src/core/visibleText.ts";
import type { Folds } from "./folds.ts";
import { element } from "./ui/element.ts";
import { link } from "./ui/toolkit.ts";

/** A text as it will run: what in it may deceive is said above it, and a long one folds with a counter. */
export function code(text: string, label: string, folds: Folds): readonly HTMLElement[] {
  const folded = foldedText(text);
  if (folded === null) return [...careful(text), block(text, label)];
  const shown = block(folded.shown, label);
  const rest = link(`Show all: ${hiddenWords(folded)}`, () => open());
  const opened = folds.add(() => open());
  const open = (): void => {
    shown.replaceWith(block(text, label));
    rest.element.remove();
    opened();
  };
  return [...careful(text), shown, rest.element];
}

/** What of a text may deceive a reader, in words; nothing for plain text. */
export function careful(text: string): readonly HTMLElement[] {
  const found = deceptions(text);
  if (found.length === 0) return [];
  const items = found.map((what) => element("li", "", what));
  return [
    element("div", "careful", [
      element("p", "label", "Look closely: this text has"),
      element("ul", "", items),
    ]),
  ];
}

/** Something that explains, and is no part of what runs: it may stay closed. */
export function more(label: string, text: string): HTMLElement {
  return element("details", "file", [element("summary", "", label), block(text, label)]);
}

/** Arguments as they are: texts of more than one line as such, all else as JSON. */
export function argumentBlocks(args: unknown, label: string, folds: Folds): readonly HTMLElement[] {
  const named = Object.entries(args !== null && typeof args === "object" ? args : {});
  const texts = named.filter((entry): entry is [string, string] => isLong(entry[1]));
  if (Array.isArray(args) || texts.length === 0) return code(json(args), label, folds);
  const others = named.filter(([, value]) => !isLong(value));
  return [
    ...(others.length === 0 ? [] : code(json(Object.fromEntries(others)), label, folds)),
    ...texts.map(([name, text]) =>
      element("section", "part", [
        element("h3", "label", name),
        ...code(text, `${label}: ${name}`, folds),
      ]),
    ),
  ];
}

export function json(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

function isLong(value: unknown): boolean {
  return typeof value === "string" && value.includes("\n");
}

function block(text: string, label: string): HTMLElement {
  const shown = element("pre", "", [element("code", "", text)]);
  shown.tabIndex = 0;
  shown.setAttribute("role", "group");
  shown.setAttribute("aria-label", label);
  return shown;
}
