/** Says of a path from the context's root whether a `.dockerignore` leaves it out. The last line that fits decides. */
export function dockerIgnore(text: string): (path: string) => boolean {
  const rules = text.split(/\r?\n/u).flatMap((line) => {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) return [];
    const keeps = trimmed.startsWith("!");
    const pattern = (keeps ? trimmed.slice(1) : trimmed).replaceAll(/^\/+|\/+$/gu, "");
    return [{ keeps, fits: patternOf(pattern.replace(/^\.\//u, "")) }];
  });
  return (path) => {
    let left = false;
    for (const { keeps, fits } of rules) if (fits.test(path)) left = !keeps;
    return left;
  };
}

/** A directory that fits takes all that is in it along. */
function patternOf(pattern: string): RegExp {
  const source = pattern
    .split("/")
    .map((part) => (part === "**" ? "**" : partOf(part)))
    .join("/")
    .replaceAll("**/", "(?:[^/]+/)*")
    .replaceAll("**", ".*");
  return new RegExp(`^${source}(?:/.*)?$`, "su");
}

function partOf(part: string): string {
  return part
    .replaceAll(/[.+^${}()|[\]\\/]/gu, String.raw`\$&`)
    .replaceAll(/\*+/gu, "[^/]*")
    .replaceAll("?", "[^/]");
}
