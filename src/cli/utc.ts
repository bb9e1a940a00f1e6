/** A time on record, to the second; a store of another machine may hold a number that is none. */
export function utc(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return "an unknown time";
  return `${date
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/u, "")} UTC`;
}
