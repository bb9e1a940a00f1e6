import { sandboxProxyRule, type SandboxProxyRule } from "../core/proxyRule.ts";

/**
 * A rule to read what lies at an address that a configuration names; null for what is none. A name
 * or a token in the address is left out: who has one says so by a secret of a rule.
 */
export function ruleFor(
  kind: string,
  address: string,
  more: (folder: string) => Pick<SandboxProxyRule, "methods" | "paths">,
): SandboxProxyRule | null {
  if (!URL.canParse(address)) return null;
  const { protocol, hostname, port, pathname } = new URL(address);
  if (protocol !== "https:" && protocol !== "http:") return null;
  const host = hostname.replace(/\.$/, "");
  const parsed = sandboxProxyRule.safeParse({
    name: `${kind}-${host.replaceAll(/[^a-z0-9]+/g, "-")}`.slice(0, 63),
    hosts: [host],
    ...(protocol === "http:" ? { scheme: "http" } : {}),
    ...(port === "" ? {} : { ports: [Number(port)] }),
    ...more(pathname.endsWith("/") ? pathname : `${pathname}/`),
  });
  return parsed.success ? parsed.data : null;
}
