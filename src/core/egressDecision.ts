import type { EgressRefusal, EgressRequest } from "./egress.ts";
import type { SandboxProxyRule } from "./proxyRule.ts";

/** What becomes of a request, and the rule that has the say in it. */
export type EgressDecision =
  | { readonly refused: null; readonly rule: SandboxProxyRule }
  | { readonly refused: EgressRefusal; readonly rule: SandboxProxyRule | null };

export interface EgressRuleLists {
  readonly allowed: readonly SandboxProxyRule[];
  /** Go before the allowed ones. */
  readonly denied: readonly SandboxProxyRule[];
}

/** A host as a rule would name it, and where on it. */
export type EgressHost = Pick<EgressRequest, "scheme" | "host" | "port">;

/**
 * Decides on a request whose host is canonical and whose path has no query. Of the allowed rules
 * that fit the narrowest has the say: a host by its name before the subdomains of another, more
 * labels before fewer, an exact path before a folder, a longer path before a shorter one, fewer
 * methods before more, and then the one that comes first.
 */
export function decideEgress(
  request: EgressHost & { readonly method: string; readonly path: string },
  { allowed, denied }: EgressRuleLists,
): EgressDecision {
  const readings = pathReadings(request.path);
  if (readings === null) return { refused: "proxy.malformed", rule: null };
  const denies = denied.find(
    (rule) =>
      knowsHost(rule, request) &&
      rule.methods.includes(request.method) &&
      readings.some((reading) => rule.paths.some((path) => isUnder(reading, path))),
  );
  if (denies !== undefined) return { refused: "proxy.denied", rule: denies };
  const known = rulesFor(request, allowed);
  const [first] = known;
  if (first === undefined) return { refused: "proxy.noRule", rule: null };
  const fitting = known.flatMap((rule) => {
    if (!rule.methods.includes(request.method)) return [];
    const path = narrowest(rule.paths.filter((each) => covers(each, readings)));
    return path === null ? [] : [{ rule, path }];
  });
  const [best] = fitting.toSorted(
    (one, two) =>
      hostWidth(one.rule, request.host) - hostWidth(two.rule, request.host) ||
      pathWidth(one.path) - pathWidth(two.path) ||
      one.rule.methods.length - two.rule.methods.length,
  );
  if (best === undefined) return { refused: "proxy.notCovered", rule: first };
  return { refused: null, rule: best.rule };
}

/** Rules that know this host, by whatever method and path; the narrowest host first. */
export function rulesFor(
  request: EgressHost,
  rules: readonly SandboxProxyRule[],
): readonly SandboxProxyRule[] {
  return rules
    .filter((rule) => knowsHost(rule, request))
    .toSorted((one, two) => hostWidth(one, request.host) - hostWidth(two, request.host));
}

/** How often a path may be encoded anew; who has more to hide is not understood. */
const mostReadings = 4;

/**
 * Every way in which a server may read a path: as it was sent, and decoded once, twice and so on
 * until nothing is left to decode. Null for one that some server could take for another place.
 */
export function pathReadings(path: string): readonly string[] | null {
  if (!/^\/[\x21-\x7e]*$/.test(path) || /[?#]|%(?![0-9a-f]{2})|%2e|%5c/i.test(path)) return null;
  const readings = decodings(path);
  if (readings === null || readings.some(isElsewhere)) return null;
  return readings;
}

function decodings(path: string): readonly string[] | null {
  const readings = [path];
  for (let last = path; ;) {
    const next = last.replaceAll(/%[0-7][0-9a-f]/gi, (escape) =>
      String.fromCodePoint(Number.parseInt(escape.slice(1), 16)),
    );
    if (next === last) return readings;
    if (readings.length === mostReadings) return null;
    readings.push(next);
    last = next;
  }
}

/** Backslashes, control characters, empty segments, and dot segments, also with a parameter. */
function isElsewhere(reading: string): boolean {
  return /[\\\p{Cc}]|\/\/|\/\.{1,2}(?:[/;?#]|$)/u.test(reading);
}

/** Whether all readings lie under it, in one of its own readings. */
function covers(path: string, readings: readonly string[]): boolean {
  const own = decodings(path) ?? [];
  return readings.every((reading) => own.some((each) => isUnder(reading, each)));
}

function isUnder(path: string, rule: string): boolean {
  return rule.endsWith("/") ? path.startsWith(rule) : path === rule;
}

function knowsHost(rule: SandboxProxyRule, { scheme, host, port }: EgressHost): boolean {
  if ((rule.scheme ?? "https") !== scheme) return false;
  if (!(rule.ports ?? [scheme === "https" ? 443 : 80]).includes(port)) return false;
  return rule.hosts.some((name) => isHost(name, host));
}

function isHost(name: string, host: string): boolean {
  if (!name.startsWith("*.")) return name === host;
  return host.length > name.length - 1 && host.endsWith(name.slice(1));
}

/** The smaller the narrower: zero for the name itself. */
function hostWidth(rule: SandboxProxyRule, host: string): number {
  const widths = rule.hosts
    .filter((name) => isHost(name, host))
    .map((name) => (name === host ? 0 : 1000 - name.length));
  return Math.min(...widths);
}

/** The smaller the narrower. */
function pathWidth(path: string): number {
  return path.endsWith("/") ? 10_000 - path.length : 0;
}

function narrowest(paths: readonly string[]): string | null {
  return paths.toSorted((one, two) => pathWidth(one) - pathWidth(two))[0] ?? null;
}
