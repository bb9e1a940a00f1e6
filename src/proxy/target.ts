import ipaddr from "ipaddr.js";
import { isIPv4 } from "node:net";
import type { EgressHost } from "../core/egressDecision.ts";

type Scheme = EgressHost["scheme"];

/** The address of a request, as a client of a proxy writes it. */
export interface AbsoluteTarget extends EgressHost {
  /** With its query. */
  readonly path: string;
}

const name =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** What some resolvers take for a number, and so the whole name for an address. */
const number = /^(?:\d+|0x[0-9a-f]*)$/;

/**
 * The one spelling of a host: lower case, without a dot at its end, an address as it is usually
 * written. Null for what is no host, and for an address that is spelled in another way.
 */
export function hostOf(text: string): string | null {
  if (text.startsWith("[")) return bracketed(text.toLowerCase());
  const host = text.toLowerCase().replace(/\.$/, "");
  if (!name.test(host)) return null;
  if (number.test(host.slice(host.lastIndexOf(".") + 1))) return isIPv4(host) ? host : null;
  return host;
}

function bracketed(text: string): string | null {
  const address = text.slice(1, -1);
  if (!text.endsWith("]") || !/^[0-9a-f:.]+$/.test(address) || !ipaddr.IPv6.isValid(address)) {
    return null;
  }
  return ipaddr.IPv6.parse(address).toRFC5952String() === address ? text : null;
}

/** `host` or `host:port`. Null for what can be understood in more than one way. */
export function authorityOf(text: string, scheme: Scheme): EgressHost | null {
  const parts = /^(\[[^[\]]*\]|[^:]*)(?::([1-9]\d{0,4}))?$/.exec(text);
  const host = hostOf(parts?.[1] ?? "");
  const port = Number(parts?.[2] ?? (scheme === "https" ? 443 : 80));
  return host === null || port > 65_535 ? null : { scheme, host, port };
}

/** The target of a CONNECT, which always says its port. */
export function tunnelOf(text: string): EgressHost | null {
  return /:\d+$/.test(text) ? authorityOf(text, "https") : null;
}

/** `http://host/path?query`. Null for what can be understood in more than one way. */
export function absoluteOf(text: string): AbsoluteTarget | null {
  const parts = /^(https?):\/\/([^/?#\\@]*)(\/[^#]*)?$/i.exec(text);
  const scheme = parts?.[1]?.toLowerCase() === "https" ? "https" : "http";
  const authority = authorityOf(parts?.[2] ?? "", scheme);
  return authority === null ? null : { ...authority, path: parts?.[3] ?? "/" };
}

export function isSameHost(one: EgressHost, two: EgressHost): boolean {
  return one.host === two.host && one.port === two.port && one.scheme === two.scheme;
}

/** As the first line and the `Host` header of a request have it. */
export function authorityText({ scheme, host, port }: EgressHost): string {
  return port === (scheme === "https" ? 443 : 80) ? host : `${host}:${port}`;
}

/** The address itself where a host is one; null for a name. */
export function addressIn(host: string): string | null {
  if (host.startsWith("[")) return host.slice(1, -1);
  return isIPv4(host) ? host : null;
}
