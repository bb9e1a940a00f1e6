/**
 * Completes what was read: what came or went here while it was being read is newer than it.
 * `before` are the names that were known when the reading began.
 */
export function keepNewer<Value>(
  read: Map<string, Value>,
  before: ReadonlySet<string>,
  now: ReadonlyMap<string, Value>,
): void {
  for (const [name, value] of now) {
    if (!before.has(name) && !read.has(name)) read.set(name, value);
  }
  for (const name of before) {
    if (!now.has(name)) read.delete(name);
  }
}
