import type { Finding } from "../core/ports.ts";

type Verdict = Finding["verdict"];

/** One control as it was found; a verdict of true is held, of false broken. */
export function finding(
  control: string,
  wanted: string,
  found: string,
  verdict: Verdict | boolean,
): Finding {
  const shown = found.trim() === "" ? "nothing" : found.trim();
  if (typeof verdict !== "boolean") return { control, wanted, found: shown, verdict };
  return { control, wanted, found: shown, verdict: verdict ? "held" : "broken" };
}

/** Names as they were found, which a person reads: bounded, and nothing but text. */
export function names(found: readonly string[]): string {
  const shown = found.slice(0, 8).map((name) => JSON.stringify(name).slice(1, -1));
  return shown.join(" ") + (found.length > shown.length ? ` and ${found.length - 8} more` : "");
}
