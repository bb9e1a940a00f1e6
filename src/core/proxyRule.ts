import * as z from "zod";
import { secretsIn } from "./headerSecrets.ts";

// The panel needs it without zod.
export { secretsIn };

const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const hostName = new RegExp(`^(?:\\*\\.)?${label}(?:\\.${label})*$`);

/** A host as the proxy compares it: lower case, no dot at its end, an address only in its usual form. */
export const proxyHost = z
  .string()
  .max(253)
  .refine((text) => hostName.test(text) || /^\[[0-9a-f:.]+\]$/.test(text), {
    error: "is a host in lower case, like api.example.org, or *.example.org for its subdomains",
  });

const path = z
  .string()
  .max(2000)
  .regex(
    /^\/[^\s?#\\]*$/,
    "begins with / and has no ? and no #; one with a / at its end is a folder",
  );

/** These say how a message travels or who it is for, so no rule sets them. */
export const unsettable =
  /^(?:connection|content-length|expect|host|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|forwarded|x-forwarded-.*|accept-encoding|range|if-range)$/i;

/** Private, loopback and shared networks (RFC 1918, RFC 6598), as numbers with their bits. */
const openable = [
  [0x0a000000, 8],
  [0x7f000000, 8],
  [0xac100000, 12],
  [0xc0a80000, 16],
  [0x64400000, 10],
] as const;

/** The usual spelling alone: the proxy reads the address itself, and more strictly. */
function isOpenable(network: string): boolean {
  const [address = "", bits] = network.split("/");
  if (address.includes(":")) {
    const isLocal = /^f[cd][0-9a-f]{2}:/i.test(address) && Number(bits ?? 128) >= 7;
    return isLocal || (address === "::1" && Number(bits ?? 128) === 128);
  }
  const parts = address.split(".").map(Number);
  const length = Number(bits ?? 32);
  if (parts.length !== 4 || parts.some((part) => !(part <= 255)) || length > 32) return false;
  const value = parts.reduce((sum, part) => sum * 256 + part, 0);
  return openable.some(([start, least]) => {
    const size = 2 ** (32 - least);
    return length >= least && Math.floor(value / size) === start / size;
  });
}

const openedNetwork = z
  .string()
  .regex(/^[0-9a-fA-F.:]+(?:\/\d{1,3})?$/, "is a network, like 10.1.0.0/16")
  .refine(isOpenable, {
    error: "cannot be opened: name a private, loopback or shared network, like 10.1.0.0/16",
  });
/** A name that a secret may have: safe as the name of a file, too. */
export const secretName = /^[a-z0-9][a-z0-9._-]{0,63}$/;

const template = z
  .string()
  .min(1)
  .max(2000)
  .regex(/^[\x20-\x7e]*$/, "is one line of printable ASCII")
  .refine((text) => secretsIn(text).every((name) => secretName.test(name)), {
    error: "names a secret as {{ name }}, in lower case",
  });

const headers = z
  .record(z.string(), template)
  .refine((all) => Object.keys(all).every((name) => /^[A-Za-z0-9-]{1,64}$/.test(name)), {
    error: "has a name that no header has: letters, digits and dashes",
  })
  .refine((all) => !Object.keys(all).some((name) => unsettable.test(name)), {
    error: "has a header that the proxy sets itself, like Host: leave it out",
  });

/** Most bytes of a body; what is longer is cut off and the connection with it. */
const bodyLimit = z.strictObject({ bytes: z.int().positive() });

/**
 * What may leave a sandbox, and what the proxy adds to it. All of it has to fit: host, port, method
 * and path. No patterns: a path with `/` at its end is a folder, any other is exactly that path.
 */
export const sandboxProxyRule = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "is lower-case letters, digits and dashes"),
    hosts: z.array(proxyHost).min(1).max(100),
    /** `https` when left out. `http` goes over the wire as it is. */
    scheme: z.exactOptional(z.enum(["https", "http"])),
    /** Those of the scheme when left out: 443 or 80. */
    ports: z.exactOptional(z.array(z.int().min(1).max(65535)).min(1).max(20)),
    methods: z
      .array(z.string().regex(/^[A-Z]{1,20}$/, "is a method in capitals"))
      .min(1)
      .max(20),
    paths: z.array(path).min(1).max(200),
    /** Set on each request, over what the sandbox sent; the secrets in it are known to the proxy alone. */
    headers: z.exactOptional(headers),
    requestLimits: z.exactOptional(bodyLimit),
    responseLimits: z.exactOptional(bodyLimit),
    /** Networks that are closed by default and that this rule's hosts may lie in, like `10.1.0.0/16`. */
    addresses: z.exactOptional(z.array(openedNetwork).max(20)),
    /** Certificates, as PEM, that the host's own may be signed by, beside the usual ones. */
    authority: z.exactOptional(z.string().max(100_000)),
    /** TLS goes through unopened, so that only host and port are known of a request. */
    passThrough: z.exactOptional(z.literal(true)),
  })
  .refine((one) => one.passThrough === undefined || one.headers === undefined, {
    error: "cannot add headers to what it does not open: leave out passThrough or headers",
    path: ["passThrough"],
  })
  .refine((one) => one.passThrough === undefined || one.scheme !== "http", {
    error: "is about TLS: leave out passThrough or scheme",
    path: ["passThrough"],
  });
export type SandboxProxyRule = z.infer<typeof sandboxProxyRule>;

/** A rule that nobody wrote as one: it is offered where it covers a refused request, and only then. */
export const readyRule = z.object({
  proxy: sandboxProxyRule,
  /** What names it, for people: "your npm configuration". */
  from: z.string(),
  /** A folder's word is a stranger's: it is offered, and labelled. */
  whose: z.enum(["user", "folder"]),
});
export type ReadyRule = z.infer<typeof readyRule>;
