import { CairnError } from "./errors.ts";
import type { Failure } from "./records.ts";

/** Tells a failure of the work from a failure to record it: only the first is the step's own. */
export async function settle<Output>(
  work: () => Promise<Output>,
): Promise<
  { readonly ok: true; readonly value: Output } | { readonly ok: false; readonly error: unknown }
> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, error };
  }
}

/** Doubling from a first pause, or what the other side asked for; never over half a minute. */
export function backoffMs(error: unknown, attempt: number, firstMs: number): number {
  const asked = CairnError.is(error) ? error.details["retryAfterMs"] : undefined;
  const wanted = typeof asked === "number" ? asked : firstMs * 2 ** (attempt - 1);
  return Math.min(Math.max(wanted, 0), 30_000);
}

/** How an error is kept on record: its code and its sentence, never a stack. */
export function failureOf(error: unknown): Failure {
  if (!CairnError.is(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return { code: "unexpected", message, origin: "runtime" };
  }
  const { code, message } = error;
  const diverged = code === "flow.diverged" || code === "replay.miss";
  if (diverged) return { code, message, origin: "divergence" };
  const backend = /^(model|sandbox|store|skills|audit)\./.test(code);
  return { code, message, origin: backend ? "backend" : "user" };
}

/** Failures that leave the session as it is: nothing false is recorded, and it goes on later. */
const pauses = new Set([
  "session.lost",
  "session.unknown",
  "store.unwritable",
  "store.unavailable",
  "store.corrupt",
]);

/** Whether an error pauses a session instead of ending it. */
export function leavesAsItIs(error: unknown): boolean {
  return CairnError.is(error) && pauses.has(error.code);
}
