import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import type Docker from "dockerode";
import type { Container } from "dockerode";
import { CairnError } from "../core/errors.ts";
import type { Egress, Finding, Log } from "../core/ports.ts";
import { bridgePort } from "./bridgeScript.ts";
import { type CommandWay, proxyVariables } from "./commandWay.ts";
import { answerOf } from "./dockerEngine.ts";
import { ProxyContainer, type ProxyParts } from "./proxyContainer.ts";
import { finding } from "./finding.ts";
import { ask } from "./selfCheckProbe.ts";
import { SessionNetwork } from "./sessionNetwork.ts";

/** Of addresses that are tried at once. */
const mostDialled = 64;

export interface LegsOptions {
  /** Of the session, for its network and its proxy. */
  readonly name: string;
  readonly egress: Egress;
  readonly proxy: Omit<ProxyParts, "name">;
  /** Told what keeps commands from the proxy. */
  readonly log: Log;
}

/**
 * The way out where an engine cannot reach a socket of this machine: a network of the session's own
 * with its worker and a proxy in a container, which has a second leg outside. The worker is known
 * by its address, for nobody else is there.
 */
export class TwoLegs implements CommandWay {
  readonly #docker: Docker;
  readonly #options: LegsOptions;
  readonly network: SessionNetwork;
  readonly #said = new Set<string>();
  #starting: Promise<ProxyContainer> | null = null;
  /** Where the proxy listens. */
  #serving: Promise<string> | null = null;
  #worker: Container | null = null;
  /** Resolves when the one before is gone. */
  #leaving: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(docker: Docker, options: LegsOptions, network: SessionNetwork) {
    this.#docker = docker;
    this.#options = options;
    this.network = network;
  }

  /** Makes the network and begins to start the proxy on it. Throws `proxy.unavailable`, and may have left what has the session's labels. */
  static async open(docker: Docker, options: LegsOptions): Promise<TwoLegs> {
    const network = await SessionNetwork.make(docker, options.name, options.proxy.labels);
    const legs = new TwoLegs(docker, options, network);
    // It starts beside the worker; whoever needs it waits for it, and hears what was wrong.
    legs.#started().catch(() => undefined);
    return legs;
  }

  /** The container that is on the network, before it is started. */
  belongsTo(worker: Container): void {
    this.#worker = worker;
  }

  /** Resolves when the worker can reach the proxy. Throws `proxy.unavailable` and as `Egress`. */
  async ready(): Promise<string> {
    this.#serving ??= this.#serve();
    const serving = this.#serving;
    try {
      return await serving;
    } catch (error) {
      if (this.#serving === serving) this.#serving = null;
      throw error;
    }
  }

  async up(): Promise<Readonly<Record<string, string>>> {
    try {
      return proxyVariables(`http://${await this.ready()}:${bridgePort}`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const sentence = `Commands have no way to the proxy. ${reason}`;
      if (!this.#said.has(sentence)) this.#options.log(sentence);
      this.#said.add(sentence);
      return {};
    }
  }

  async finding(): Promise<Finding> {
    const wanted = "the proxy answers on the session's network";
    if (this.#worker === null) return finding("proxy.answers", wanted, "no worker", "broken");
    const dial = `{ exec 3<>/dev/tcp/${await this.ready()}/${bridgePort}; } 2>/dev/null && printf 'open\\0yes\\0'`;
    const open = (await ask(this.#worker, dial)).has("open");
    return finding("proxy.answers", wanted, open ? wanted : "it does not", open);
  }

  /** What the engine says of network and proxy. */
  async findings(): Promise<readonly Finding[]> {
    const proxy = await this.#started();
    const members = [proxy.id, this.#worker?.id ?? ""];
    const [own, walls] = await Promise.all([this.network.finding(members), proxy.findings()]);
    return [own, ...walls];
  }

  /** Addresses that the worker must not reach: those of this machine and of the engine's networks, its own one included. */
  async beyond(): Promise<readonly string[]> {
    const networks = await answerOf(this.#docker.listNetworks(), () => unreachable("no networks"));
    const gateways = networks.flatMap(({ IPAM }) =>
      (IPAM?.Config ?? []).map(({ Gateway = "" }) => Gateway),
    );
    const machine = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const addresses = machine.filter(({ internal }) => !internal).map(({ address }) => address);
    const all = [this.network.gateway, ...gateways, ...addresses];
    return [...new Set(all)].filter((address) => isIPv4(address)).slice(0, mostDialled);
  }

  /** Ends the proxy and removes the network, after the worker is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    const proxy = await this.#starting?.catch(() => null);
    await proxy?.end();
    await proxy?.remove();
    await this.network.remove();
  }

  async #started(): Promise<ProxyContainer> {
    const { name, proxy } = this.#options;
    const parts = { ...proxy, name: `${name}-proxy` };
    this.#starting ??= this.#leaving.then(async () =>
      ProxyContainer.start(this.#docker, this.network, parts),
    );
    return this.#starting;
  }

  async #serve(): Promise<string> {
    if (this.#closed) throw unreachable("the session has ended");
    try {
      const proxy = await this.#started();
      const host = await this.#goBy(proxy);
      void proxy.gone.then(() => this.#again(proxy));
      return host;
    } catch (error) {
      await (await this.#starting?.catch(() => null))?.end();
      this.#starting = null;
      throw error;
    }
  }

  /** Both are known by what the engine gave them; then the proxy is told what it goes by. */
  async #goBy(proxy: ProxyContainer): Promise<string> {
    const members = await this.network.members();
    const host = members.get(proxy.id);
    const worker = members.get(this.#worker?.id ?? "");
    if (host === undefined) throw unreachable("it is not on the session's network");
    if (worker === undefined) throw unreachable("the session's container is not on its network");
    const { subnet } = this.network;
    await this.#options.egress.serve(proxy, { host, port: bridgePort, workers: [worker], subnet });
    return host;
  }

  /** It ended by itself: the next command gets another one, once this one's name is free. */
  #again(proxy: ProxyContainer): void {
    this.#leaving = proxy.end();
    this.#starting = null;
    this.#serving = null;
  }
}

function unreachable(reason: string): CairnError {
  return new CairnError(
    "proxy.unavailable",
    `The session's proxy cannot be reached: ${reason}. Start the session again.`,
  );
}
