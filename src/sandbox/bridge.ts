import type { Finding, Log } from "../core/ports.ts";
import { bridgePort, bridgePrograms } from "./bridgeScript.ts";
import { type CommandWay, proxyVariables } from "./commandWay.ts";
import { untilThere } from "./untilThere.ts";
import type { Warden } from "./warden.ts";

const listenWithinMs = 3_000;

/** The host's end of the bridge in one place: started by its warden, and again when it is gone. */
export class Bridge implements CommandWay {
  readonly #warden: Warden;
  readonly #log: Log;
  readonly #said = new Set<string>();
  /** What did not listen in time is not waited for again. */
  #patienceMs = listenWithinMs;

  constructor(warden: Warden, log: Log) {
    this.#warden = warden;
    this.#log = log;
  }

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
