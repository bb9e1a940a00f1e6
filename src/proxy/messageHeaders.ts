import type { EgressHost } from "../core/egressDecision.ts";
import type { Echoes } from "./echoes.ts";
import { authorityText } from "./target.ts";

/** A name and its value, by turns, as node has and takes them. */
export type RawHeaders = readonly string[];

/** For one connection only, or about who came by which way. */
const ofTheHop =
  /^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|http2-settings|forwarded|via|x-forwarded-.*|x-real-ip|proxy-.*)$/;
/** Said anew from what was understood, or answered here. */
const saidAnew = new Set(["host", "content-length", "expect"]);
/** A request's own credentials have no place beside those of a rule; a range could cut an echo in two. */
const replaced = new Set(["authorization", "cookie", "accept-encoding", "range", "if-range"]);

export function pairsOf(raw: RawHeaders): readonly (readonly [name: string, value: string])[] {
  return Array.from({ length: raw.length / 2 }, (_, index) => [
    raw[2 * index] ?? "",
    raw[2 * index + 1] ?? "",
  ]);
}

/** All values of a header, whatever its spelling. */
export function valuesOf(raw: RawHeaders, name: string): readonly string[] {
  return pairsOf(raw).flatMap(([each, value]) => (each.toLowerCase() === name ? [value] : []));
}

/**
 * What the host gets: what the sandbox sent, without what is not for it, and what the rule sets
 * over it. Where the body ends is not in it.
 */
export function requestHeaders(
  raw: RawHeaders,
  target: EgressHost,
  injected: ReadonlyMap<string, string>,
): string[] {
  const own = new Set(Array.from(injected.keys(), sameSpelling));
  const named = namedByConnection(raw);
  const kept = pairsOf(raw).filter(([each]) => {
    const name = each.toLowerCase();
    if (saidAnew.has(name) || ofTheHop.test(name) || named.has(name)) return false;
    if (own.has(sameSpelling(name))) return false;
    return injected.size === 0 || !replaced.has(name);
  });
  const identity = injected.size === 0 ? [] : [["Accept-Encoding", "identity"] as const];
  return [["Host", authorityText(target)] as const, ...kept, ...injected, ...identity].flat();
}

/** What the sandbox gets. `whole` is false where the body's length or coding is no longer the host's. */
export function answerHeaders(
  raw: RawHeaders,
  { echoes, whole }: { readonly echoes: Echoes | null; readonly whole: boolean },
): string[] {
  const named = namedByConnection(raw);
  return pairsOf(raw).flatMap(([each, value]) => {
    const name = each.toLowerCase();
    if (ofTheHop.test(name) || named.has(name)) return [];
    if (!whole && (name === "content-length" || name === "content-encoding")) return [];
    if (echoes === null) return [each, value];
    // A session that the rule's credentials began is as good as they are.
    if (name === "set-cookie" || echoes.text(each) !== each) return [];
    return [each, echoes.text(value)];
  });
}

/** Some servers take `_` for `-`, so a header can come in by another spelling. */
function sameSpelling(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

function namedByConnection(raw: RawHeaders): ReadonlySet<string> {
  const values = valuesOf(raw, "connection");
  const names = values.flatMap((value) =>
    value.split(",").map((each) => each.trim().toLowerCase()),
  );
  // Who names this one wants a body to end somewhere else.
  return new Set(names.filter((name) => name !== "content-length"));
}
