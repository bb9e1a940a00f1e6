import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { EgressReport, EgressRequest, EgressRules, ToProxy } from "../core/egress.ts";
import { isReading } from "../core/egressWords.ts";
import { CairnError } from "../core/errors.ts";
import type { Egress, Log, ProxyNetwork, ProxyProcess } from "../core/ports.ts";
import { Authority, type AuthorityText } from "./authority.ts";
import { egressLine } from "./egressLine.ts";
import { SocketDoor } from "./socketDoor.ts";
import { SpawnedProxy } from "./spawnedProxy.ts";
import { ProxyTalk } from "./proxyTalk.ts";
import { usualAuthorities } from "./usualAuthorities.ts";

export interface SessionEgressOptions {
  /** The built entry of the proxy. */
  readonly program: string;
  /** The rules as they are now, with the secrets that they name. Throws `secret.missing`. */
  readonly rules: () => Promise<EgressRules>;
  /** Called for all that goes out: before it does, and only if this resolves, where it may change something. */
  readonly record: (request: EgressRequest, rule: string) => Promise<void>;
  /** Networks that are closed beside the usual ones. */
  readonly closed: readonly string[];
  /** One line a request, without values. */
  readonly log: Log;
}

/** Most refused requests that are kept until somebody looks. */
const keptRefused = 100;
const authoritiesName = "authorities.pem";

/** The directory of one place, while it listens. */
interface Listening {
  readonly directory: string;
  readonly authority: AuthorityText;
  /** Null where the proxy is reached through a network. */
  readonly door: SocketDoor | null;
}

interface Running {
  readonly talk: ProxyTalk;
  readonly process: ProxyProcess;
  /** The name of its own socket; empty in a network. */
  readonly socket: string;
}

type Start = Extract<ToProxy, { readonly kind: "start" }>;

/**
 * The proxy of one session. Behind a socket its process starts with the first connection, for most
 * sessions never make one; in a network it is what the sandbox started.
 */
export class SessionEgress implements Egress {
  readonly #options: SessionEgressOptions;
  readonly #refused = new Map<string, EgressReport>();
  #listening: Promise<Listening> | null = null;
  #running: Promise<Running> | null = null;
  #starts = 0;

  constructor(options: SessionEgressOptions) {
    this.#options = options;
  }

  async listen(directory: string, door: "socket" | "network"): Promise<void> {
    this.#listening ??= this.#listen(directory, door);
    const listening = this.#listening;
    try {
      await listening;
    } catch (error) {
      if (this.#listening === listening) this.#listening = null;
      throw error;
    }
  }

  async serve(process: ProxyProcess, network: ProxyNetwork): Promise<void> {
    const { host, port, workers, subnet } = network;
    const listen: Start["listen"] = { kind: "network", host, port, workers: [...workers] };
    await this.#from(this.#begin(process, "", { listen, closed: [subnet] }));
    this.#options.log(`proxy: started, at ${host}:${port}`);
  }

  async renew(): Promise<void> {
    const [listening, running] = [await this.#listening, await this.#settled()];
    if (listening === null) return;
    const rules = await this.#options.rules();
    await writeAuthorities(listening, rules);
    await running?.talk.renew(rules);
  }

  async settle(): Promise<void> {
    // What it answers comes after all that it reported.
    await (await this.#settled())?.talk.settle().catch(() => undefined);
  }

  takeRefused(): readonly EgressReport[] {
    const refused = [...this.#refused.values()];
    this.#refused.clear();
    return refused;
  }

  async close(): Promise<void> {
    const listening = await this.#listening?.catch(() => null);
    this.#listening = null;
    const running = await this.#settled();
    this.#running = null;
    await running?.process.end();
    await listening?.door?.close();
  }

  /** Null when there is none, and when it could not be started. */
  async #settled(): Promise<Running | null> {
    return this.#running?.catch(() => null) ?? null;
  }

  async #listen(directory: string, kind: "socket" | "network"): Promise<Listening> {
    const rules = await this.#options.rules();
    const authority = new Authority(Date.now()).text;
    await writeAuthorities({ directory, authority }, rules);
    const { log } = this.#options;
    const proxy = async (): Promise<string> =>
      (await (this.#running ?? this.#from(this.#spawn()))).socket;
    const door = kind === "network" ? null : await SocketDoor.open(directory, { proxy, log });
    return { directory, authority, door };
  }

  /** From now on this one is the proxy, unless it does not come to run. */
  async #from(starting: Promise<Running>): Promise<Running> {
    this.#running = starting;
    try {
      return await starting;
    } catch (error) {
      if (this.#running === starting) this.#running = null;
      throw error;
    }
  }

  async #spawn(): Promise<Running> {
    const { directory, door } = await this.#there();
    const process = new SpawnedProxy(this.#options.program, directory);
    const socket = `proxy-${(this.#starts += 1)}.sock`;
    const listen = { kind: "socket", path: socket } as const;
    const running = await this.#begin(process, socket, { listen, closed: [] });
    this.#options.log("proxy: started, for the first connection");
    try {
      await door?.lead(socket);
      return running;
    } catch (error) {
      await process.end();
      throw error;
    }
  }

  async #begin(
    process: ProxyProcess,
    socket: string,
    where: Pick<Start, "listen" | "closed">,
  ): Promise<Running> {
    const { record } = this.#options;
    const talk = new ProxyTalk(process, { report: (report) => this.#report(report), record });
    const running = { talk, process, socket };
    try {
      const { authority, door } = await this.#there();
      const rules = await this.#options.rules();
      const closed = [...this.#options.closed, ...where.closed];
      await talk.start({ kind: "start", listen: where.listen, closed, authority, rules });
      void process.gone.then(async (said) => this.#ended(running, door, said));
      return running;
    } catch (error) {
      await process.end();
      throw error;
    }
  }

  async #there(): Promise<Listening> {
    const listening = await this.#listening;
    if (listening !== null) return listening;
    throw new CairnError("proxy.unavailable", "The session's proxy was ended.");
  }

  /** It was not told to end: the next one takes its place. */
  async #ended(running: Running, door: SocketDoor | null, said: string): Promise<void> {
    if ((await this.#settled()) !== running) return;
    this.#running = null;
    this.#options.log(`proxy: ended by itself${said === "" ? "" : `: ${said}`}`);
    await door?.leadBack(running.socket);
  }

  /** What only reads is on record afterwards. */
  async #went({ request, rule }: EgressReport): Promise<void> {
    if (request === null || rule === null || !isReading(request)) return;
    await this.#options.record(request, rule).catch(() => undefined);
  }

  #report(report: EgressReport): void {
    this.#options.log(egressLine(report));
    if (report.refused === null) void this.#went(report);
    if (report.refused === null || this.#refused.size >= keptRefused) return;
    const key = JSON.stringify([report.request, report.refused]);
    if (!this.#refused.has(key)) this.#refused.set(key, report);
  }
}

/** Whole at any time: what is read while it is written is the one before. */
async function writeAuthorities(
  { directory, authority }: Pick<Listening, "directory" | "authority">,
  { allowed }: EgressRules,
): Promise<void> {
  // What is not opened shows the place the host's own certificate.
  const passing = allowed.flatMap((rule) =>
    rule.passThrough === undefined || rule.authority === undefined ? [] : [rule.authority],
  );
  const next = join(directory, `next-${authoritiesName}`);
  const all = [await usualAuthorities(), ...passing, authority.certificate];
  await writeFile(next, `${all.map((text) => text.trim()).join("\n")}\n`, { mode: 0o644 });
  await rename(next, join(directory, authoritiesName));
}
