import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PostgresServer } from "./postgres.ts";

/** `answer`: the server does the work, its answer is lost. `question`: it never hears of it. */
export type Cut = "answer" | "question";

/** A network between a driver and its server that fails on demand. */
export class PostgresProxy {
  readonly #folder: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut: { readonly what: Cut; readonly after: string; readonly done: () => void } | null = null;
  #refusing = false;

  private constructor(folder: string, server: Server) {
    this.#folder = folder;
    this.#server = server;
  }

  static async start(server: PostgresServer): Promise<PostgresProxy> {
    const folder = await mkdtemp(join(tmpdir(), "cairn-proxy-"));
    const listener = createServer();
    const proxy = new PostgresProxy(folder, listener);
    listener.on("connection", (client) => proxy.#join(client, connect(server.socket)));
    listener.listen(join(folder, ".s.PGSQL.5432"));
    await once(listener, "listening");
    return proxy;
  }

  /** The address of a database, through here. */
  url(direct: string): string {
    return direct.replace(/host=.*$/u, `host=${this.#folder}`);
  }

  /** Cuts the connection that next sends this text; resolves when it is done. */
  async cutNext(what: Cut, after: string): Promise<void> {
    return new Promise((done) => {
      this.#cut = { what, after, done };
    });
  }

  /** From now on nothing gets through, or everything again. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing;
    if (refusing) for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.refuse(true);
    this.#server.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #join(client: Socket, server: Socket): void {
    const both = [client, server];
    const end = (): void => {
      for (const socket of both) socket.destroy();
    };
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.on("error", end).on("close", () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    if (this.#refusing) end();
    let deaf: (() => void) | null = null;
    client.on("data", (data) => {
      const cut = this.#cut;
      if (cut !== null && data.includes(cut.after)) {
        this.#cut = null;
        deaf = cut.done;
        if (cut.what === "question") return this.#end(end, cut.done);
      }
      server.write(data);
    });
    server.on("data", (data) => {
      if (deaf === null) client.write(data);
      else this.#end(end, deaf);
    });
  }

  #end(end: () => void, done: () => void): void {
    end();
    done();
  }
}
