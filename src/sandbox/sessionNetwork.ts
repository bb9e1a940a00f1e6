import { isIPv4 } from "node:net";
import type Docker from "dockerode";
import type { Network } from "dockerode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { Finding } from "../core/ports.ts";
import { answerOf, engineReason, removeNetwork } from "./dockerEngine.ts";
import { finding } from "./finding.ts";

const withoutHost = "com.docker.network.bridge.inhibit_ipv4";

const inspection = z.object({
  Driver: z.string(),
  Internal: z.boolean(),
  EnableIPv6: z.boolean(),
  Options: z.nullable(z.record(z.string(), z.string())),
  IPAM: z.object({
    Config: z.array(z.object({ Subnet: z.string(), Gateway: z.optional(z.string()) })).min(1),
  }),
  Containers: z.nullish(z.record(z.string(), z.object({ IPv4Address: z.string() }))),
});
type Inspection = z.infer<typeof inspection>;

/** What a container on the network has to see of it. */
export interface NetworkFacts {
  /** Like `172.18.0.0/16`. */
  readonly subnet: string;
  /** What the engine keeps for its host, which does not take it. */
  readonly gateway: string;
}

/** The network of one session: nothing leads out of it, and not even its host has an address there. */
export class SessionNetwork implements NetworkFacts {
  readonly #network: Network;
  readonly subnet: string;
  readonly gateway: string;

  private constructor(network: Network, { IPAM }: Inspection) {
    this.#network = network;
    const [{ Subnet, Gateway } = { Subnet: "", Gateway: undefined }] = IPAM.Config;
    this.subnet = Subnet;
    this.gateway = Gateway ?? Subnet.replace(/\d+\/\d+$/, "1");
  }

  /** Throws `proxy.unavailable`, and may have left a network with these labels then. */
  static async make(
    docker: Docker,
    name: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<SessionNetwork> {
    const asked = docker.createNetwork({
      Name: name,
      Driver: "bridge",
      Internal: true,
      EnableIPv6: false,
      Options: { [withoutHost]: "true" },
      Labels: { ...labels },
    });
    const network = await answerOf(asked, cannot);
    const found = new SessionNetwork(network, await inspected(network));
    if (isIPv4(found.gateway)) return found;
    throw cannot(new Error(`the engine gave it the addresses ${found.subnet}`));
  }

  get id(): string {
    return this.#network.id;
  }

  async join(container: string): Promise<void> {
    await answerOf(this.#network.connect({ Container: container }), cannot);
  }

  /** Addresses of the containers that run on it, by their ids. */
  async members(): Promise<ReadonlyMap<string, string>> {
    return membersOf(await inspected(this.#network));
  }

  /** That it is what was asked for, and who is on it, as the engine says. */
  async finding(wanted: readonly string[]): Promise<Finding> {
    const found = await inspected(this.#network);
    const others = [...membersOf(found).keys()].filter((id) => !wanted.includes(id));
    const wrong = [
      ...(found.Driver === "bridge" ? [] : [`made by ${found.Driver}`]),
      ...(found.Internal ? [] : ["not internal"]),
      ...(found.EnableIPv6 ? ["with version 6"] : []),
      ...(found.Options?.[withoutHost] === "true" ? [] : ["with an address of its host"]),
      ...(others.length === 0 ? [] : [`with ${others.length} more on it`]),
    ];
    const held = "internal, without its host, the worker and its proxy alone on it";
    return finding("network.own", held, wrong.join(", ") || held, wrong.length === 0);
  }

  /** Resolves when it is gone. */
  async remove(): Promise<void> {
    await removeNetwork(this.#network);
  }
}

function membersOf({ Containers }: Inspection): ReadonlyMap<string, string> {
  const all = Object.entries(Containers ?? {});
  return new Map(all.map(([id, { IPv4Address }]) => [id, IPv4Address.replace(/\/.*/, "")]));
}

async function inspected(network: Network): Promise<Inspection> {
  return inspection.parse(await answerOf(network.inspect(), cannot));
}

function cannot(cause?: unknown): CairnError {
  return new CairnError(
    "proxy.unavailable",
    `The session's own network cannot be made: ${engineReason(cause)}. Remove networks that nothing uses with: docker network prune`,
    { cause },
  );
}
