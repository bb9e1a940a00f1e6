import {
  chmod,
  chown,
  open,
  rename,
  rm,
  symlink,
  writeFile,
  type FileHandle,
} from "node:fs/promises";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { EgressReport, EgressRequest, EgressRules } from "../core/egress.ts";
import { isReading } from "../core/egressWords.ts";
import type { Egress, Log } from "../core/ports.ts";
import { Authority, type AuthorityText } from "./authority.ts";
import { egressLine } from "./egressLine.ts";
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
const socketName = "proxy.sock";
const authoritiesName = "authorities.pem";
const sandboxUser = 1000;
/** Of a socket, on Linux, without its end mark. */
const longestPath = 107;
/** The host's own listener, which is there before any proxy is. */
const doorName = "door.sock";

/** The directory of one place, while it listens. */
interface Listening {
  readonly directory: string;
  /** Stands for the directory where its path is too long for a socket. */
  readonly handle: FileHandle;
  readonly authority: AuthorityText;
  readonly door: Server;
}

interface Running {
  readonly talk: ProxyTalk;
  readonly process: SpawnedProxy;
  /** The name of its own socket. */
  readonly socket: string;
}

/**
 * The proxy of one session. Its process starts with the first connection, for most sessions never
 * make one: until then the host listens in its place, and hands those on that came meanwhile. The
 * name of the socket then goes over to the proxy's own, and back when that ends.
 */
export class SessionEgress implements Egress {
  readonly #options: SessionEgressOptions;
  readonly #refused = new Map<string, EgressReport>();
  readonly #carried = new Set<Socket>();
  #listening: Promise<Listening> | null = null;
  #running: Promise<Running> | null = null;
  #starts = 0;

  constructor(options: SessionEgressOptions) {
    this.#options = options;
  }

  async listen(directory: string): Promise<void> {
    this.#listening ??= this.#listen(directory);
    const listening = this.#listening;
    try {
      await listening;
    } catch (error) {
      if (this.#listening === listening) this.#listening = null;
      throw error;
    }
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
    for (const socket of this.#carried) socket.destroy();
    await running?.process.end();
    if (listening === undefined || listening === null) return;
    await new Promise((resolve) => listening.door.close(resolve));
    await listening.handle.close();
  }

  /** Null when there is none, and when it could not be started. */
  async #settled(): Promise<Running | null> {
    return this.#running?.catch(() => null) ?? null;
  }

  async #listen(directory: string): Promise<Listening> {
    const rules = await this.#options.rules();
    const handle = await open(directory, "r");
    const door = createServer({ allowHalfOpen: true }, (near) => void this.#carry(near));
    try {
      const authority = new Authority(Date.now()).text;
      const listening = { directory, handle, authority, door };
      await writeAuthorities(listening, rules);
      await new Promise<void>((resolve, reject) => {
        door.once("error", reject);
        door.listen(socketPath(listening, doorName), resolve);
      });
      // A session does not stay alive to be left.
      door.unref();
      await this.#point(listening, doorName);
      return listening;
    } catch (error) {
      door.close();
      await handle.close();
      throw error;
    }
  }

  /** Lets the name that the place knows lead to one of the sockets. */
  async #point({ directory }: Listening, to: string): Promise<void> {
    const next = join(directory, `next-${to}`);
    await chmod(join(directory, to), 0o600);
    // The sandbox's user is never root, also where this process is.
    if (process.getuid?.() === 0) await chown(join(directory, to), sandboxUser, sandboxUser);
    await symlink(to, next);
    await rename(next, join(directory, socketName));
  }

  /** A connection that came before the proxy did. */
  async #carry(near: Socket): Promise<void> {
    this.#carried.add(near);
    near.on("error", () => near.destroy()).on("close", () => this.#carried.delete(near));
    try {
      // Whoever only looks whether somebody listens is not worth a process.
      await once(near, "readable");
      const listening = await this.#listening;
      if (near.readableLength === 0 || listening === null) return void near.end();
      const { socket } = await this.#proxy(listening);
      const path = socketPath(listening, socket);
      const far = connect({ path, allowHalfOpen: true });
      far.on("error", () => near.destroy()).on("close", () => near.destroySoon());
      near.on("close", () => far.destroy());
      near.pipe(far).pipe(near);
    } catch (error) {
      this.#options.log(`proxy: ${error instanceof Error ? error.message : String(error)}`);
      near.destroy();
    }
  }

  async #proxy(listening: Listening): Promise<Running> {
    this.#running ??= this.#start(listening);
    const starting = this.#running;
    try {
      return await starting;
    } catch (error) {
      if (this.#running === starting) this.#running = null;
      throw error;
    }
  }

  async #start(listening: Listening): Promise<Running> {
    const { program, rules, closed, record, log } = this.#options;
    const now = await rules();
    const process = new SpawnedProxy(program, listening.directory);
    const report = this.#report.bind(this);
    const talk = new ProxyTalk(process.streams, { report, record });
    const socket = `proxy-${(this.#starts += 1)}.sock`;
    const running = { talk, process, socket };
    try {
      const { authority } = listening;
      const listen = { kind: "socket", path: socket } as const;
      await talk.start({ kind: "start", listen, closed: [...closed], authority, rules: now });
      await this.#point(listening, socket);
    } catch (error) {
      await process.end();
      throw error;
    }
    void process.streams.gone.then(async (said) => this.#ended(listening, running, said));
    log("proxy: started, for the first connection");
    return running;
  }

  /** It was not told to end: the next connection starts another. */
  async #ended(listening: Listening, running: Running, said: string): Promise<void> {
    if ((await this.#settled()) !== running) return;
    this.#running = null;
    this.#options.log(`proxy: ended by itself${said === "" ? "" : `: ${said}`}`);
    await this.#point(listening, doorName).catch(() => undefined);
    await rm(join(listening.directory, running.socket), { force: true });
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

function socketPath({ directory, handle }: Listening, name: string): string {
  const path = join(directory, name);
  const fits = Buffer.byteLength(path) <= longestPath;
  return fits || process.platform !== "linux" ? path : `/proc/self/fd/${handle.fd}/${name}`;
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
