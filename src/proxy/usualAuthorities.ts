import { readFile } from "node:fs/promises";
import { rootCertificates } from "node:tls";

/** Where systems keep all of theirs in one file. */
const bundles: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** The authorities that this machine trusts, as PEM, a company's own among them; else those of Node. */
export async function usualAuthorities(): Promise<string> {
  for (const bundle of bundles) {
    const text = await readFile(bundle, "utf8").catch(() => "");
    if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  }
  return rootCertificates.join("\n");
}
