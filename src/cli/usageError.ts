import { CairnError } from "../core/errors.ts";

/** A command line that was not understood: one sentence with the choices, and nothing was done. */
export function usageError(sentence: string, cause?: unknown): CairnError {
  return new CairnError("usage.invalid", sentence, { cause });
}
