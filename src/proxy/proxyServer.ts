import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { EgressRefusal, EgressReport, EgressRules, ToProxy } from "../core/egress.ts";
import { Addresses } from "./addresses.ts";
import { Authority } from "./authority.ts";
import type { EchoesOf } from "./echoes.ts";
import { Exchange } from "./exchange.ts";
import type { HeldRequests } from "./heldRequests.ts";
import type { Limits } from "./limits.ts";
import { valuesOf } from "./messageHeaders.ts";
import type { Resolve, RouteParts } from "./route.ts";
import { RuleSet } from "./ruleSet.ts";
import { authorityOf, isSameHost, tunnelOf } from "./target.ts";
import { hangUp, Tunnel } from "./tunnel.ts";

export type Start = Extract<ToProxy, { readonly kind: "start" }>;

/** What a proxy is made with. */
export interface ProxyParts {
  readonly resolve: Resolve;
  readonly echoesOf: EchoesOf;
  readonly limits: Limits;
  readonly held: HeldRequests;
  readonly report: (report: EgressReport) => void;
}

/** The proxy of one session: what goes out of its sandbox goes out here, or not at all. */
export class ProxyServer {
  readonly #parts: ProxyParts;
  readonly #start: Start;
  readonly #routes: RouteParts;
  readonly #authority: Authority;
  readonly #outside: Server;
  readonly #inside: Server;
  readonly #sockets = new Set<Socket>();
  #rules: RuleSet;

  /** Throws for rules that ask for what no rule may. */
  constructor(start: Start, parts: ProxyParts) {
    this.#parts = parts;
    this.#start = start;
    this.#authority = new Authority(Date.now(), start.authority);
    this.#routes = { ...parts, addresses: new Addresses(start.closed) };
    this.#rules = new RuleSet(start.rules, this.#routes);
    this.#inside = this.#newServer((message, answer) => {
      const tunnel = Tunnel.of(message.socket);
      if (tunnel !== null) tunnel.isServed = true;
      this.#exchange(message, answer, tunnel);
    });
    this.#outside = this.#newServer((message, answer) => this.#exchange(message, answer, null));
    this.#outside.maxConnections = parts.limits.connections;
    this.#outside.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#outside.on("connect", (message, socket, head) => this.#connect(message, socket, head));
    this.#inside.on("connect", (_message, socket) => this.#turnAway(socket, "proxy.malformed"));
  }

  /** Resolves with its port once it listens; null for a socket. */
  async listen(): Promise<number | null> {
    const { listen } = this.#start;
    const where =
      listen.kind === "socket"
        ? // Whoever can reach the directory is the session's sandbox, under whatever user it runs.
          { path: listen.path, readableAll: true, writableAll: true }
        : { host: listen.host, port: listen.port };
    this.#outside.listen(where);
    await once(this.#outside, "listening");
    const address = this.#outside.address();
    return typeof address === "object" && address !== null ? address.port : null;
  }

  /** These hold for every request that begins from now on. Throws as the constructor does. */
  rule(rules: EgressRules): void {
    const next = new RuleSet(rules, this.#routes);
    this.#rules.retire();
    this.#rules = next;
  }

  /** Ends every connection, and resolves when its socket is gone. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#outside.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.#rules.retire();
    await closed;
  }

  #newServer(take: (message: IncomingMessage, answer: ServerResponse) => void): Server {
    const { headerBytes, idleMs, connectMs } = this.#parts.limits;
    const server = createServer(
      {
        maxHeaderSize: headerBytes,
        // Answered with a code of our own.
        requireHostHeader: false,
        keepAliveTimeout: idleMs,
        headersTimeout: idleMs,
        // A long upload ends by its idle time or by the longest time of all.
        requestTimeout: 0,
        connectionsCheckingInterval: connectMs,
      },
      take,
    );
    server.timeout = idleMs;
    server.on("checkContinue", take);
    server.on("clientError", (_error, socket) => {
      if (socket.writable) this.#turnAway(socket, "proxy.malformed");
      else socket.destroy();
    });
    return server;
  }

  #exchange(message: IncomingMessage, answer: ServerResponse, tunnel: Tunnel | null): void {
    const { limits, held, report } = this.#parts;
    const exchange = new Exchange({ rules: this.#rules, limits, held, report }, message, answer);
    const stranger = tunnel === null && !this.#isOurs(message.socket);
    void exchange.run(tunnel, stranger ? "proxy.identity" : null);
  }

  #connect(message: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    if (!(socket instanceof Socket) || !this.#isOurs(socket)) {
      return this.#turnAway(socket, "proxy.identity");
    }
    const host = tunnelOf(message.url ?? "");
    if (host === null) return this.#turnAway(socket, "proxy.malformed");
    const named = valuesOf(message.rawHeaders, "host").map((each) => authorityOf(each, "https"));
    if (named.some((each) => each === null || !isSameHost(each, host))) {
      return this.#turnAway(socket, "proxy.mismatch");
    }
    if (head.length > 0) socket.unshift(head);
    const { limits, held, report } = this.#parts;
    const parts = { rules: this.#rules, limits, held, report };
    const tunnel = new Tunnel(
      { ...parts, authority: this.#authority, inside: this.#inside },
      socket,
      host,
    );
    void tunnel.open();
  }

  /** For what is no request that an exchange could answer. */
  #turnAway(socket: Duplex, code: EgressRefusal): void {
    hangUp(socket, code, null);
    this.#parts.report({
      kind: "request",
      request: null,
      refused: code,
      rule: null,
      status: null,
      sentBytes: 0,
      receivedBytes: 0,
      injected: [],
      ms: 0,
    });
  }

  /** A socket is in a directory that the sandbox alone sees; in a network it is known by its address. */
  #isOurs(socket: Socket): boolean {
    const { listen } = this.#start;
    if (listen.kind === "socket") return true;
    const address = socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, "");
    return address !== undefined && listen.workers.includes(address);
  }
}
