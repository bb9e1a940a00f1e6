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

const headerName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, "is the name of a header");
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
    headers: z.exactOptional(z.record(headerName, template)),
    requestLimits: z.exactOptional(bodyLimit),
    responseLimits: z.exactOptional(bodyLimit),
    /** Networks that are closed by default and that this rule's hosts may lie in, like `10.1.0.0/16`. */
    addresses: z.exactOptional(z.array(z.string().regex(/^[0-9a-fA-F.:]+(?:\/\d{1,3})?$/)).max(20)),
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
