import type { Action } from "./action.ts";
import type { EgressRequest } from "./egress.ts";
import { portsOf, schemeOf } from "./egressFit.ts";
import { secretsIn } from "./headerSecrets.ts";
import type { SandboxProxyRule } from "./proxyRule.ts";

const usualPorts = { https: 443, http: 80 } as const;
/** So many addresses are listed one by one. */
const fewAddresses = 8;

/** What a proxy rule is about, as the end of a sentence: with every header and secret by its name. */
export function proxyWords(rule: SandboxProxyRule): string {
  const { passThrough, hosts, addresses, authority } = rule;
  const what =
    passThrough === true
      ? `TLS connections to ${listed(hosts.flatMap((host) => portsOf(rule).map((port) => `${host}:${port}`)))}, which nobody looks into`
      : `${listed(rule.methods)} of ${addressWords(rule)}`;
  return [
    what,
    `, with ${headerWords(rule)}`,
    addresses === undefined ? "" : `, also in the networks ${listed(addresses)}`,
    authority === undefined ? "" : ", by an authority of its own",
  ].join("");
}

/** A request in one line: method and address, without a query. */
export function requestWords(request: EgressRequest): string {
  const { method, path } = request;
  const address = `${originOf(request.scheme, request.host, request.port)}${path ?? "/"}`;
  return method === null
    ? `a connection to ${originOf(request.scheme, request.host, request.port)}`
    : `${method} ${address}`;
}

/** Scheme, host and port, the port only where it is not the usual one. */
export function originOf(scheme: "https" | "http", host: string, port: number): string {
  return port === usualPorts[scheme] ? `${scheme}://${host}` : `${scheme}://${host}:${port}`;
}

/** Names of all secrets that a rule's headers have in them. */
export function secretsOf({ headers = {} }: SandboxProxyRule): readonly string[] {
  return [...new Set(Object.values(headers).flatMap((text) => secretsIn(text)))];
}

export function listed(words: readonly string[]): string {
  if (words.length <= 1) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

function addressWords(rule: SandboxProxyRule): string {
  const scheme = schemeOf(rule);
  const origins = rule.hosts.flatMap((host) =>
    portsOf(rule).map((port) => originOf(scheme, host, port)),
  );
  const paths = rule.paths.map((path) => [path, path.endsWith("/") ? " and what is below it" : ""]);
  if (origins.length * paths.length <= fewAddresses) {
    return listed(
      origins.flatMap((origin) => paths.map(([path, more]) => `${origin}${path}${more}`)),
    );
  }
  return `${listed(paths.map(([path, more]) => `${path}${more}`))} on ${listed(origins)}`;
}

function headerWords(rule: SandboxProxyRule): string {
  const headers = Object.entries(rule.headers ?? {});
  if (headers.length === 0) return "no header added";
  const words = headers.map(([name, text]) => {
    const secrets = [...new Set(secretsIn(text))];
    return secrets.length === 0 ? name : `${name} from the secret ${listed(secrets)}`;
  });
  return `${headers.length === 1 ? "the header" : "the headers"} ${listed(words)} added`;
}

const reading = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a request is meant to change nothing where it goes. What a closed tunnel holds nobody knows. */
export function isReading({ method, path }: Pick<EgressRequest, "method" | "path">): boolean {
  if (method === null || path === null) return false;
  // By this path git fetches, and never pushes.
  return reading.has(method) || (method === "POST" && path.endsWith("/git-upload-pack"));
}

/** What may come of a request by its methods, for people. */
export function sendWords(methods: string): string {
  return methods.split(", ").every((method) => reading.has(method))
    ? "It leaves this machine. It is meant to read, and its address and headers may carry what the sandbox holds."
    : "It leaves this machine, with whatever of the sandbox the command puts into it.";
}

/** What a yes without a rule lets through. */
export function onceWords(rule: SandboxProxyRule): string {
  return `Once is until the next command ends: ${proxyWords(rule)}.`;
}

/** The address of an action that is a request; null for all else. */
export function addressOf({ egress }: Pick<Action, "egress">): string | null {
  if (egress === undefined) return null;
  return `${originOf(egress.scheme, egress.host, egress.port)}${egress.path ?? "/"}`;
}
