import { visibleText } from "../core/visibleText.ts";

/** Text for the terminal, in which nothing of it moves the cursor, hides or looks like something else. */
export function plain(text: string): string {
  return visibleText(text);
}

/** A value as one line of JSON, with codes in place of what a terminal would obey. */
export function jsonLine(value: unknown): string {
  const line = JSON.stringify(value).replaceAll(
    /[\u007F-\u009F\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) =>
      // Of a pair of surrogates each half has an escape of its own.
      Array.from({ length: character.length }, (_, place) => {
        const unit = character.charCodeAt(place).toString(16).padStart(4, "0");
        return `\\u${unit}`;
      }).join(""),
  );
  return `${line}\n`;
}
