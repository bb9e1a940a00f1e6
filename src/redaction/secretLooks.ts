/** A value that only stands for a secret: of a template, a shell variable, stars, an ellipsis. */
export function isPlaceholder(value: string): boolean {
  return /^(?:[$<{]|%(?![0-9A-F]{2})|\.\.\.|[*xX•._-]+$|(?:your|my|the)[-_ ])|\$\{|\{\{/i.test(
    value,
  );
}

/**
 * What a machine made and nobody can read: long, letters and digits among each other. Words and
 * numbers that are joined, as in names and paths, are not.
 */
export function looksRandom(value: string): boolean {
  if (value.length < 16 || value.length > 4096) return value.length > 4096;
  if (/\s/.test(value) || isPlaceholder(value)) return false;
  if (!/\d/.test(value) || !/[A-Za-z]/.test(value)) return false;
  const parts = value.split(/[^A-Za-z0-9]+/);
  const mixed = parts.filter(
    (part) => /\d/.test(part) && /[A-Za-z]{2}|[A-Za-z]\d|\d[A-Za-z]/.test(part),
  );
  const read = parts.every((part) => /^(?:[A-Z]?[a-z]*|[A-Z]+|\d*|[a-z]+\d{1,2}|v\d+)$/.test(part));
  return !read && mixed.length > 0 && new Set(value).size >= 8;
}
