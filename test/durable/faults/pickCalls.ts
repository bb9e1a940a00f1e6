/**
 * Numbers of the calls that are worth hitting, from one: of a row of equal calls the first two and
 * the last, since the ones between (the pages of one large record) differ in nothing.
 */
export function pickCalls(calls: readonly string[]): readonly number[] {
  const same = (index: number, other: number): boolean => calls[index] === calls[other];
  return calls.flatMap((_, index) => {
    const inside = same(index, index - 1) && same(index, index - 2) && same(index, index + 1);
    return inside ? [] : [index + 1];
  });
}
