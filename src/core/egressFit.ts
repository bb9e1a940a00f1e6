import type { EgressRequest } from "./egress.ts";
import { decideEgress, rulesFor } from "./egressDecision.ts";
import type { SandboxProxyRule } from "./proxyRule.ts";

/** Whether a proxy would let a request through by this rule; not where its method or path was not seen. */
export function covers(rule: SandboxProxyRule, { method, path, ...host }: EgressRequest): boolean {
  if (method === null || path === null) return false;
  const lists = { allowed: [rule], denied: [] };
  return decideEgress({ ...host, method, path }, lists).refused === null;
}

/** Whether a proxy would refuse it by this rule; what was not seen of the request counts as fitting. */
export function mayCover(rule: SandboxProxyRule, request: EgressRequest): boolean {
  const { method, path, ...host } = request;
  if (method === null || path === null) return rulesFor(host, [rule]).length > 0;
  const lists = { allowed: [], denied: [rule] };
  return decideEgress({ ...host, method, path }, lists).refused === "proxy.denied";
}

/** Whether a host is one of those that are named: itself, or below a `*.`. */
export function isNamed(hosts: readonly string[], host: string): boolean {
  return hosts.some((one) => (one.startsWith("*.") ? host.endsWith(one.slice(1)) : host === one));
}

/** Whether there may be a request that both are about. */
export function overlap(one: SandboxProxyRule, other: SandboxProxyRule): boolean {
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

export function schemeOf({ scheme = "https" }: SandboxProxyRule): "https" | "http" {
  return scheme;
}

export function portsOf(rule: SandboxProxyRule): readonly number[] {
  return rule.ports ?? [schemeOf(rule) === "https" ? 443 : 80];
}

function liesIn(path: string, named: string): boolean {
  return named.endsWith("/") ? path.startsWith(named) : path === named;
}

function pathsMeet(one: string, other: string): boolean {
  return liesIn(one, other) || liesIn(other, one);
}
