import type { Finding } from "../core/ports.ts";
import { authoritiesPath } from "./bridgeScript.ts";

/** How the commands of one place reach the session's proxy. */
export interface CommandWay {
  /**
   * Looks after it where it is gone, for a command may have ended it. Resolves with what commands
   * get once they would reach the proxy; with nothing where nothing can. Throws `sandbox.lost`.
   */
  up(): Promise<Readonly<Record<string, string>>>;
  /** One more control of a place with a proxy. Throws `sandbox.lost`. */
  finding(): Promise<Finding>;
}

/** What programs go by to find the proxy, and to trust it. Nothing of it is worth stealing. */
export function proxyVariables(address: string): Readonly<Record<string, string>> {
  const lower = {
    http_proxy: address,
    https_proxy: address,
    // What listens on the loopback of the place is the session's own; outside it is another one.
    no_proxy: "localhost,127.0.0.1,::1",
  };
  const upper = Object.entries(lower).map(([name, value]) => [name.toUpperCase(), value]);
  const trusting = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "npm_config_cafile",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
    "DENO_CERT",
    "YARN_HTTPS_CA_FILE_PATH",
  ].map((name) => [name, authoritiesPath]);
  // Node's own requests pass the variables by unless told.
  return { ...lower, ...Object.fromEntries([...upper, ...trusting]), NODE_USE_ENV_PROXY: "1" };
}
