import { visibleText } from "../core/visibleText.ts";

/** A sentence for a message of the editor: the editor makes links of `[text](address)`, and nobody's text is one. */
export function messageText(text: string): string {
  return visibleText(text).replaceAll("](", "] (");
}

/** A text for a list of choices: the editor makes icons of `$(name)`, and nobody's text is one. */
export function choiceText(text: string): string {
  return visibleText(text).replaceAll(/\$\([A-Za-z0-9-]+(?:~[A-Za-z]+)?\)/g, String.raw`\$&`);
}
