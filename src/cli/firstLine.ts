/** A text's beginning, for a place that has room for one line. */
export function firstLine(text: string): string {
  const line = text.split("\n")[0] ?? "";
  const more = text.length > line.length;
  return line.length > 160 ? `${line.slice(0, 160)}…` : `${line}${more ? " …" : ""}`;
}
