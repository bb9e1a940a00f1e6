import * as z from "zod";
import { sandboxProxyRule } from "./proxyRule.ts";

/** A request that wants to leave a sandbox, as it was parsed; never as it was spelled. */
export const egressRequest = z.object({
  scheme: z.enum(["https", "http"]),
  /** Lower case, without a dot at its end. */
  host: z.string(),
  port: z.int(),
  /** Null where a tunnel was refused before its request was seen. */
  method: z.nullable(z.string()),
  /** Without its query, which may hold anything; null as the method. */
  path: z.nullable(z.string()),
});
export type EgressRequest = z.infer<typeof egressRequest>;

/** Why a request did not go out. Only the first two can be mended by a rule. */
export const egressRefusal = z.enum([
  /** No rule knows scheme, host and port. */
  "proxy.noRule",
  /** A rule knows the host, and not this method or path. */
  "proxy.notCovered",
  /** A rule denies it. */
  "proxy.denied",
  /** URL, `Host`, the target of CONNECT and SNI are not one and the same host. */
  "proxy.mismatch",
  /** The address behind the name is not one of the open internet. */
  "proxy.address",
  /** The name has no address. */
  "proxy.name",
  /** It is no request that can be understood in one way only. */
  "proxy.malformed",
  /** It does not come from the session's sandbox. */
  "proxy.identity",
  /** A body is longer than the rule's limit. */
  "proxy.tooLarge",
  /** A secret of the rule is not known. */
  "proxy.noSecret",
  /** It may change something and was kept back: a replay sends nothing, and what is not on record does not go. */
  "proxy.held",
  /** The host does not answer, or not in HTTP, or not with a certificate that fits. */
  "proxy.upstream",
]);
export type EgressRefusal = z.infer<typeof egressRefusal>;

/** One line for each request, for the log and the audit. No values of headers, no query, no body. */
export const egressReport = z.object({
  kind: z.literal("request"),
  /** Null where not even the host could be read. */
  request: z.nullable(egressRequest),
  /** Null for what went out. */
  refused: z.nullable(egressRefusal),
  /** Name of the rule that let it through or has a say in it. */
  rule: z.nullable(z.string()),
  /** Of the host's answer; null when there was none. */
  status: z.nullable(z.int()),
  sentBytes: z.number(),
  receivedBytes: z.number(),
  /** Names of the headers that were set. */
  injected: z.array(z.string()),
  ms: z.number(),
});
export type EgressReport = z.infer<typeof egressReport>;

/** What a proxy goes by; it can be changed while it runs. */
export const egressRules = z.object({
  allowed: z.array(sandboxProxyRule),
  /** Go before the allowed ones. */
  denied: z.array(sandboxProxyRule),
  /** Values by name: all that the allowed rules name. They travel on the proxy's standard input alone. */
  secrets: z.record(z.string(), z.string()),
});
export type EgressRules = z.infer<typeof egressRules>;

/** Lines to the proxy, JSON each, on its standard input. Its end ends the proxy. */
export const toProxy = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("start"),
    /** A unix socket that the session's sandbox alone can reach, or a network of two. */
    listen: z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("socket"), path: z.string() }),
      z.object({
        kind: z.literal("network"),
        host: z.string(),
        port: z.int(),
        /** Addresses of the session's sandbox: whoever else comes has no identity. */
        workers: z.array(z.string()),
      }),
    ]),
    /** The authority that signs what it shows to the sandbox, as PEM: made by whoever starts it. */
    authority: z.object({ certificate: z.string(), key: z.string() }),
    /** Networks that are closed beside the usual ones. */
    closed: z.array(z.string()),
    rules: egressRules,
  }),
  z.object({ kind: z.literal("rules"), rules: egressRules }),
  /** Is answered after all that was reported before. */
  z.object({ kind: z.literal("settle") }),
  /** What becomes of a request that is held: it `goes` where it is on record by now. */
  z.object({ kind: z.literal("noted"), number: z.int(), goes: z.boolean() }),
]);
export type ToProxy = z.infer<typeof toProxy>;

/** Lines from the proxy, JSON each, on its standard output. */
export const fromProxy = z.discriminatedUnion("kind", [
  /** It listens. `port` is null for a socket. */
  z.object({ kind: z.literal("ready"), port: z.nullable(z.int()) }),
  /** The rules that came last hold from now on. */
  z.object({ kind: z.literal("ruled") }),
  z.object({ kind: z.literal("settled") }),
  /** A rule lets out what may change something: it is held until it is `noted`. */
  z.object({
    kind: z.literal("holds"),
    number: z.int(),
    request: egressRequest,
    rule: z.string(),
  }),
  egressReport,
]);
export type FromProxy = z.infer<typeof fromProxy>;
