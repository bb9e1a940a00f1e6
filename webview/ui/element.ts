import { visibleText } from "../../src/core/visibleText.ts";

/** An element with a class and with text or children. Text is never read as HTML. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  className: string,
  content: string | readonly Node[] = [],
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  if (className !== "") made.className = className;
  if (typeof content === "string") made.textContent = visibleText(content);
  else made.append(...content);
  return made;
}
