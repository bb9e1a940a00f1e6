const dayMs = 86_400_000;

/** A time of the clock as people read it anywhere: `2026-11-21 19:46:01 UTC`. */
export function utcTime(ms: number): string {
  // A store of another machine may hold a number that is no time.
  if (!(Math.abs(ms) <= 8.64e15)) return "an unknown time";
  const [year, month, day] = dateOf(Math.floor(ms / dayMs));
  const seconds = Math.floor((ms - Math.floor(ms / dayMs) * dayMs) / 1000);
  const date = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
  const time = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return `${date} ${time.map(two).join(":")} UTC`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}

/** Year, month and day of a day since 1970, in years that begin in March: the leap day is then the last one. */
function dateOf(day: number): readonly [year: number, month: number, day: number] {
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const inEra = shifted - era * 146_097;
  const leaps = Math.floor(inEra / 1460) - Math.floor(inEra / 36_524) + Math.floor(inEra / 146_096);
  const year = Math.floor((inEra - leaps) / 365);
  const inYear = inEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const fromMarch = Math.floor((5 * inYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const inMonth = inYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  return [year + era * 400 + (month <= 2 ? 1 : 0), month, inMonth];
}
