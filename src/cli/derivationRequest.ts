import type { DerivationRequest } from "../core/derivation.ts";
import type { Values } from "./arguments.ts";
import { parseOverride } from "./parseOverride.ts";

/** How `cairn replay` and `cairn fork` make a session from another one. Throws `usage.invalid`. */
export function derivationRequest(
  mode: DerivationRequest["mode"],
  values: Values,
): DerivationRequest {
  const { at = null, override, skip, "on-miss": onMiss } = values;
  return { mode, at, overrides: override.map(parseOverride), skip, onMiss };
}
