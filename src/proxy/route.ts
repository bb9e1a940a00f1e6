import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { LookupAddress } from "node:dns";
import { connect, type Socket } from "node:net";
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import { callbackify } from "node:util";
import { type SandboxProxyRule, secretsIn, unsettable } from "../core/proxyRule.ts";
import { type Addresses, OpenedNetworks } from "./addresses.ts";
import type { Echoes, EchoesOf } from "./echoes.ts";
import type { Limits } from "./limits.ts";
import { Refusal } from "./refusal.ts";
import { addressIn } from "./target.ts";

/** All addresses of a name, in the order in which they are tried. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** What routes are made of. */
export interface RouteParts {
  readonly addresses: Addresses;
  readonly resolve: Resolve;
  readonly echoesOf: EchoesOf;
  readonly limits: Limits;
}

/** A shorter value is part of too much that is no secret, so it could not be taken out again. */
const shortest = 6;

/** What one rule does for its requests: headers, addresses, and the connections that it shares. */
export class Route {
  readonly rule: SandboxProxyRule;
  /** Null when a secret of it is not known. */
  readonly headers: ReadonlyMap<string, string> | null;
  /** Null where nothing is set, so that nothing can come back. */
  readonly echoes: Echoes | null;
  readonly #parts: RouteParts;
  readonly #opened: OpenedNetworks;
  #kept: HttpAgent | null = null;
  #fresh: HttpAgent | null = null;
  #context: SecureContext | null = null;

  /** Throws for a rule that asks for what no rule may. */
  constructor(
    rule: SandboxProxyRule,
    secrets: Readonly<Record<string, string>>,
    parts: RouteParts,
  ) {
    this.rule = rule;
    this.#parts = parts;
    this.#opened = new OpenedNetworks(rule.addresses ?? []);
    const templates = Object.entries(rule.headers ?? {});
    const bad = templates.find(([name]) => unsettable.test(name));
    if (bad !== undefined) throw new Error(`The proxy sets ${bad[0]} itself; leave it out.`);
    const names = [...new Set(templates.flatMap(([, template]) => secretsIn(template)))];
    const known = names.every((name) => isUsable(secrets[name]));
    this.headers = known ? filled(templates, secrets) : null;
    const values = names.map((name) => secrets[name] ?? "");
    this.echoes =
      known && names.length > 0
        ? parts.echoesOf([...values, ...(this.headers ?? new Map()).values()].flatMap(withBasic))
        : null;
  }

  /** Connections that are kept for the next request of the same rule, whose networks and authority are theirs. */
  get kept(): HttpAgent {
    this.#kept ??= this.#newAgent(true);
    return this.#kept;
  }

  /** A connection for each request, for what must not meet one that the host closes meanwhile. */
  get fresh(): HttpAgent {
    this.#fresh ??= this.#newAgent(false);
    return this.#fresh;
  }

  /** Throws a `Refusal` for a host that is an address itself and a closed one. */
  checkHost(host: string): void {
    const address = addressIn(host);
    if (address !== null) this.#check([address]);
  }

  /** A connection of its own, not yet connected. */
  connect(host: string, port: number): Socket {
    return connect({ host: addressIn(host) ?? host, port, ...this.#dialling });
  }

  /** No request begins on its connections any more; those that are under way go on. */
  retire(): void {
    const agent = this.#kept;
    if (agent === null) return;
    agent.maxFreeSockets = 0;
    for (const socket of Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? [])) {
      socket.destroy();
    }
  }

  #newAgent(keepAlive: boolean): HttpAgent {
    const usual = { keepAlive, maxFreeSockets: 32, ...this.#dialling };
    if (this.rule.scheme === "http") return new HttpAgent(usual);
    this.#context ??= contextOf(this.rule.authority);
    return new HttpsAgent({
      ...usual,
      secureContext: this.#context,
      ALPNProtocols: ["http/1.1"],
    });
  }

  #check(addresses: readonly string[]): void {
    if (addresses.length === 0) throw new Refusal("proxy.name");
    if (!addresses.every((each) => this.#parts.addresses.isOpen(each, this.#opened))) {
      throw new Refusal("proxy.address");
    }
  }

  /** The one place where names become addresses: those that are checked are those that are dialled. */
  readonly #lookup = callbackify((name: string, _options: object) => this.#addressesOf(name));

  /** All addresses are asked for at once, and tried one after another. */
  readonly #dialling = { lookup: this.#lookup, autoSelectFamily: true };

  async #addressesOf(name: string): Promise<LookupAddress[]> {
    let found: readonly string[];
    try {
      found = await this.#parts.resolve(name);
    } catch (error) {
      throw new Refusal("proxy.name", { cause: error });
    }
    this.#check(found);
    return found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  }
}

/** Made once a rule: reading all authorities takes as long as a handshake. */
function contextOf(authority: string | undefined): SecureContext {
  const ca = authority === undefined ? {} : { ca: [...getCACertificates("default"), authority] };
  return createSecureContext({ ...ca, minVersion: "TLSv1.2" });
}

function isUsable(secret: string | undefined): boolean {
  return secret !== undefined && secret.length >= shortest && /^[\x21-\x7e]+$/.test(secret);
}

function filled(
  templates: readonly (readonly [string, string])[],
  secrets: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  return new Map(
    templates.map(([name, template]) => [
      name,
      template.replaceAll(/\{\{ *([^{} ]+) *\}\}/g, (_, secret: string) => secrets[secret] ?? ""),
    ]),
  );
}

/** What stands in base64 in the `Basic` scheme is as secret as what stands there. */
function withBasic(value: string): readonly string[] {
  const encoded = /^Basic +(\S+)$/i.exec(value)?.[1];
  if (encoded === undefined) return [value];
  const plain = Buffer.from(encoded, "base64").toString();
  return [value, plain, plain.slice(plain.indexOf(":") + 1)];
}
