import type { ExecOptions } from "../core/ports.ts";
import { deferred } from "./deferred.ts";

/** Waits for the work; resolves early, with the reason, when the command is not to go on. */
export async function untilStopped(
  options: ExecOptions,
  work: Promise<unknown>,
): Promise<"timedOut" | "cancelled" | null> {
  const stopped = deferred<"timedOut" | "cancelled">();
  const timer = setTimeout(stopped.resolve, options.timeoutMs, "timedOut");
  const abort = (): void => stopped.resolve("cancelled");
  options.signal.addEventListener("abort", abort);
  // It may have been cancelled while a shell was started for it.
  if (options.signal.aborted) abort();
  try {
    return await Promise.race([work.then(() => null), stopped.promise]);
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", abort);
  }
}
