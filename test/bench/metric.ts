/** One figure of the table. A ratio is against a floor that was measured in turns with it. */
export interface Metric {
  readonly value: number;
  readonly unit: string;
  readonly floor: number | null;
  readonly ratio: number | null;
  readonly target: string;
  readonly pass: boolean;
}

export type Measure = () => Promise<Readonly<Record<string, Metric>>>;

/** Nearest rank: the smallest value that at least this part of all values do not exceed. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN;
}

/** How long it took, in ms. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** A figure that must not be larger than its target. */
export function atMost(value: number, unit: string, target: number): Metric {
  return {
    value: round(value),
    unit,
    floor: null,
    ratio: null,
    target: `<= ${target}`,
    pass: value <= target,
  };
}

/** A figure that must not be more than so much above its floor. */
export function atMostOver(
  value: number,
  floor: number,
  { unit, over }: { readonly unit: string; readonly over: number },
): Metric {
  return {
    value: round(value),
    unit,
    floor: round(floor),
    ratio: round(value / floor),
    target: `<= floor + ${over}`,
    pass: value - floor <= over,
  };
}

/** A figure that must not be smaller than its target. */
export function atLeast(
  value: number,
  unit: string,
  { target, holds = true }: { readonly target: number; readonly holds?: boolean },
): Metric {
  return {
    value: round(value),
    unit,
    floor: null,
    ratio: null,
    target: `>= ${target}`,
    pass: value >= target && holds,
  };
}

/** A figure whose ratio to its floor must not be larger than the target. */
export function ratioAtMost(
  value: number,
  floor: number,
  measured: { readonly unit: string; readonly target: number; readonly holds?: boolean },
): Metric {
  const ratio = value / floor;
  const { unit, target, holds = true } = measured;
  return {
    value: round(value),
    unit,
    floor: round(floor),
    ratio: round(ratio),
    target: `<= ${target}x`,
    pass: ratio <= target && holds,
  };
}

function round(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toFixed(3));
}
