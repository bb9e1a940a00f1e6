import type { EgressRequest } from "./egress.ts";
import type { SandboxProxyRule } from "./proxyRule.ts";

/** What of a rule says which requests it is about. */
export type Reach = Pick<SandboxProxyRule, "hosts" | "scheme" | "ports" | "methods" | "paths">;

/** Whether a request is one that the rule is about; never where its method or path was not seen. */
export function covers(reach: Reach, request: EgressRequest): boolean {
  const { method, path } = request;
  if (method === null || path === null) return false;
  return (
    knows(reach, request) &&
    reach.methods.includes(method) &&
    reach.paths.some((one) => liesIn(path, one))
  );
}

/** The same, but what was not seen of the request counts as fitting. */
export function mayCover(reach: Reach, request: EgressRequest): boolean {
  const { method, path } = request;
  return (
    knows(reach, request) &&
    (method === null || reach.methods.includes(method)) &&
    (path === null || reach.paths.some((one) => liesIn(path, one)))
  );
}

/** Whether a host is one of those that are named: itself, or below a `*.`. */
export function isNamed(hosts: readonly string[], host: string): boolean {
  return hosts.some((one) => (one.startsWith("*.") ? host.endsWith(one.slice(1)) : host === one));
}

/** Whether there may be a request that both are about. */
export function overlap(one: Reach, other: Reach): boolean {
  return (
    schemeOf(one) === schemeOf(other) &&
    portsOf(one).some((port) => portsOf(other).includes(port)) &&
    hostsMeet(one.hosts, other.hosts) &&
    one.methods.some((method) => other.methods.includes(method)) &&
    one.paths.some((path) => other.paths.some((second) => pathsMeet(path, second)))
  );
}

/** Whether a host may be named by both. */
export function hostsMeet(some: readonly string[], others: readonly string[]): boolean {
  return some.some((one) =>
    others.some((other) => one === other || isNamed([one], other) || isNamed([other], one)),
  );
}

export function schemeOf({ scheme = "https" }: Reach): "https" | "http" {
  return scheme;
}

export function portsOf(reach: Reach): readonly number[] {
  return reach.ports ?? [schemeOf(reach) === "https" ? 443 : 80];
}

function knows(reach: Reach, { scheme, host, port }: EgressRequest): boolean {
  return scheme === schemeOf(reach) && portsOf(reach).includes(port) && isNamed(reach.hosts, host);
}

function liesIn(path: string, named: string): boolean {
  return named.endsWith("/") ? path.startsWith(named) : path === named;
}

function pathsMeet(one: string, other: string): boolean {
  return liesIn(one, other) || liesIn(other, one);
}
