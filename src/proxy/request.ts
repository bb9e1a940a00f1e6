import type { IncomingMessage } from "node:http";
import type { EgressRefusal, EgressRequest } from "../core/egress.ts";
import type { EgressHost } from "../core/egressDecision.ts";
import { type RawHeaders, valuesOf } from "./messageHeaders.ts";
import { absoluteOf, authorityOf, isSameHost } from "./target.ts";

/** A request that can be understood in one way only. */
export interface Understood {
  readonly refused: null;
  readonly request: EgressRequest & { readonly method: string; readonly path: string };
  /** With its query: what the host is asked for. */
  readonly url: string;
  readonly hasBody: boolean;
  /** Null where its end is known only when it comes. */
  readonly bodyBytes: number | null;
}

/** One that cannot, and as much of it as can be read. */
export interface Misunderstood {
  readonly refused: EgressRefusal;
  readonly request: EgressRequest | null;
}

/** Reads a request of the sandbox: to the proxy itself, or in a tunnel to a host. */
export function understand(
  message: IncomingMessage,
  tunnel: EgressHost | null,
): Understood | Misunderstood {
  const { method = "", url = "", rawHeaders } = message;
  const at = targetOf(url, tunnel);
  if (at === null) {
    const elsewhere = tunnel !== null && absoluteOf(url) !== null;
    const request = tunnel === null ? null : { ...tunnel, method, path: null };
    return { refused: elsewhere ? "proxy.mismatch" : "proxy.malformed", request };
  }
  const { scheme, host, port, path } = at;
  const request = { scheme, host, port, method, path: path.replace(/\?.*$/s, "") };
  const bodyBytes = bodyOf(rawHeaders);
  if (bodyBytes === "unclear" || method === "TRACE" || changesProtocol(rawHeaders)) {
    return { refused: "proxy.malformed", request };
  }
  const refused = hostRefusal(message, at);
  if (refused !== null) return { refused, request };
  return { refused: null, request, url: path, hasBody: bodyBytes !== 0, bodyBytes };
}

/** Length of the body, or null for one that comes in chunks; `unclear` where two servers could differ. */
function bodyOf(raw: RawHeaders): number | "unclear" | null {
  const lengths = valuesOf(raw, "content-length");
  const codings = valuesOf(raw, "transfer-encoding");
  if (lengths.length + codings.length > 1) return "unclear";
  if (codings.length > 0) return codings[0]?.toLowerCase() === "chunked" ? null : "unclear";
  const [length = "0"] = lengths;
  return /^\d{1,15}$/.test(length) ? Number(length) : "unclear";
}

/** Whether `Host` is there once, as the version wants it, and the one that the request is for. */
function hostRefusal(
  { rawHeaders, httpVersion }: IncomingMessage,
  at: EgressHost,
): EgressRefusal | null {
  if (!/^1\.[01]$/.test(httpVersion)) return "proxy.malformed";
  const [named, ...more] = valuesOf(rawHeaders, "host");
  if (more.length > 0) return "proxy.malformed";
  if (named === undefined) return httpVersion === "1.0" ? null : "proxy.malformed";
  const own = authorityOf(named, at.scheme);
  return own !== null && isSameHost(own, at) ? null : "proxy.mismatch";
}

/** Null where the request's own address is not one that may stand there. */
function targetOf(
  url: string,
  tunnel: EgressHost | null,
): (EgressHost & { readonly path: string }) | null {
  const absolute = absoluteOf(url);
  if (tunnel === null) return absolute?.scheme === "http" ? absolute : null;
  if (url.startsWith("/")) return { ...tunnel, path: url };
  return absolute !== null && isSameHost(absolute, tunnel) ? absolute : null;
}

/** HTTP/2 in place of HTTP/1.1 may be offered, and is passed over. */
function changesProtocol(raw: RawHeaders): boolean {
  return valuesOf(raw, "upgrade").some((protocol) => protocol.trim().toLowerCase() !== "h2c");
}
