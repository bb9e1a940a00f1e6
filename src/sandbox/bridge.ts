import type { Finding, Log } from "../core/ports.ts";
import { authoritiesPath, bridgePort, bridgePrograms } from "./bridgeScript.ts";
import { untilThere } from "./untilThere.ts";
import type { Warden } from "./warden.ts";

const listenWithinMs = 3_000;

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

/** The host's end of the bridge in one place: started by its warden, and again when it is gone. */
export class Bridge {
  readonly #warden: Warden;
  readonly #log: Log;
  readonly #said = new Set<string>();
  /** What did not listen in time is not waited for again. */
  #patienceMs = listenWithinMs;

  constructor(warden: Warden, log: Log) {
    this.#warden = warden;
    this.#log = log;
  }

  /**
   * Starts it where it does not run, for a command may have ended it. Resolves with what commands
   * get as soon as it listens; with nothing where nothing can. Throws `sandbox.lost`.
   */
  async up(): Promise<Readonly<Record<string, string>>> {
    const giveUpAt = performance.now() + this.#patienceMs;
    const found = await untilThere(async () => {
      const answer = await this.#warden.ask("bridge");
      const [runner = "", listens = ""] = answer.split(";");
      if (runner === "") return "none";
      if (listens !== "") return "up";
      return performance.now() > giveUpAt ? "late" : null;
    });
    this.#patienceMs = found === "up" ? listenWithinMs : 0;
    if (found === "up") return proxyVariables(`http://127.0.0.1:${bridgePort}`);
    this.#complain(
      found === "none"
        ? `Commands have no way to the proxy: there is none of ${bridgePrograms} in this sandbox. Install one of them in its image.`
        : "Commands have no way to the proxy: nothing listens on its port in this sandbox.",
    );
    return {};
  }

  /** One more control of a place with a proxy. Throws `sandbox.lost`. */
  async finding(): Promise<Finding> {
    const held = Object.keys(await this.up()).length > 0;
    return {
      control: "proxy.bridge",
      wanted: `one of ${bridgePrograms} listens for commands`,
      found: held ? "it listens" : "none does, so commands do not find the proxy",
      verdict: held ? "held" : "gap",
    };
  }

  #complain(sentence: string): void {
    if (!this.#said.has(sentence)) this.#log(sentence);
    this.#said.add(sentence);
  }
}
