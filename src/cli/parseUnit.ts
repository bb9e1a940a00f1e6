import { usageError } from "./usageError.ts";

const durations: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const sizes: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** `10m`, `1.5h`, `30d` in milliseconds. Throws `usage.invalid` with the units. */
export function parseDuration(option: string, text: string): number {
  return inUnits(option, text, { units: durations, example: "30d" });
}

/** `500MB`, `2GiB` in bytes. Throws `usage.invalid` with the units. */
export function parseSize(option: string, text: string): number {
  return inUnits(option, text, { units: sizes, example: "500MB" });
}

function inUnits(
  option: string,
  text: string,
  {
    units,
    example,
  }: { readonly units: Readonly<Record<string, number>>; readonly example: string },
): number {
  const [, figure, unit = ""] = /^(\d{1,12}(?:\.\d{1,6})?)([A-Za-z]+)$/.exec(text) ?? [];
  const known = Object.keys(units).find((name) => name.toLowerCase() === unit.toLowerCase());
  const value = Math.round(Number(figure) * (known === undefined ? 0 : (units[known] ?? 0)));
  if (value > 0 && Number.isSafeInteger(value)) return value;
  const names = Object.keys(units).join(", ");
  throw usageError(
    `${option} takes a number above zero with a unit (${names}), like ${example}; not "${text}".`,
  );
}
