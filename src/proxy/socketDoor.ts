import { chmod, chown, open, rename, rm, symlink, type FileHandle } from "node:fs/promises";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Log } from "../core/ports.ts";

const socketName = "proxy.sock";
/** The host's own listener, which is there before any proxy is. */
const doorName = "door.sock";
const sandboxUser = 1000;
/** Of a socket, on Linux, without its end mark. */
const longestPath = 107;

/**
 * Where a place finds its proxy: a name in a directory that the place sees. It leads to the host's
 * own listener until there is a proxy, which a first connection makes start, and back when that
 * ended. What came until then is handed on.
 */
export class SocketDoor {
  readonly #directory: string;
  /** Stands for the directory where its path is too long for a socket. */
  readonly #handle: FileHandle;
  readonly #server: Server;
  readonly #carried = new Set<Socket>();
  readonly #proxy: () => Promise<string>;
  readonly #log: Log;

  private constructor(
    directory: string,
    handle: FileHandle,
    { proxy, log }: { readonly proxy: () => Promise<string>; readonly log: Log },
  ) {
    this.#directory = directory;
    this.#handle = handle;
    this.#proxy = proxy;
    this.#log = log;
    this.#server = createServer({ allowHalfOpen: true }, (near) => void this.#carry(near));
  }

  /** `proxy` starts one where there is none, and resolves with the name of its socket. */
  static async open(
    directory: string,
    parts: { readonly proxy: () => Promise<string>; readonly log: Log },
  ): Promise<SocketDoor> {
    const door = new SocketDoor(directory, await open(directory, "r"), parts);
    try {
      await new Promise<void>((resolve, reject) => {
        door.#server.once("error", reject);
        door.#server.listen(door.#path(doorName), resolve);
      });
      // A session does not stay alive to be left.
      door.#server.unref();
      await door.lead(doorName);
      return door;
    } catch (error) {
      door.#server.close();
      await door.#handle.close();
      throw error;
    }
  }

  /** Lets the name that the place knows lead to one of the sockets. */
  async lead(to: string): Promise<void> {
    const next = join(this.#directory, `next-${to}`);
    await chmod(join(this.#directory, to), 0o600);
    // The sandbox's user is never root, also where this process is.
    if (process.getuid?.() === 0) await chown(join(this.#directory, to), sandboxUser, sandboxUser);
    await symlink(to, next);
    await rename(next, join(this.#directory, socketName));
  }

  /** The proxy of this socket is gone: the next connection starts another. */
  async leadBack(from: string): Promise<void> {
    await this.lead(doorName).catch(() => undefined);
    await rm(join(this.#directory, from), { force: true });
  }

  async close(): Promise<void> {
    for (const socket of this.#carried) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#handle.close();
  }

  /** A connection that came before the proxy did. */
  async #carry(near: Socket): Promise<void> {
    this.#carried.add(near);
    near.on("error", () => near.destroy()).on("close", () => this.#carried.delete(near));
    try {
      // Whoever only looks whether somebody listens is not worth a process.
      await once(near, "readable");
      if (near.readableLength === 0) return void near.end();
      const far = connect({ path: this.#path(await this.#proxy()), allowHalfOpen: true });
      far.on("error", () => near.destroy()).on("close", () => near.destroySoon());
      near.on("close", () => far.destroy());
      near.pipe(far).pipe(near);
    } catch (error) {
      this.#log(`proxy: ${error instanceof Error ? error.message : String(error)}`);
      near.destroy();
    }
  }

  #path(name: string): string {
    const path = join(this.#directory, name);
    const fits = Buffer.byteLength(path) <= longestPath;
    return fits || process.platform !== "linux" ? path : `/proc/self/fd/${this.#handle.fd}/${name}`;
  }
}
