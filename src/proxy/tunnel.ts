import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { EgressRefusal, EgressReport } from "../core/egress.ts";
import type { EgressHost } from "../core/egressDecision.ts";
import type { Authority } from "./authority.ts";
import { type ClientHello, readClientHello } from "./clientHello.ts";
import { farewell } from "./farewell.ts";
import type { HeldRequests } from "./heldRequests.ts";
import type { Limits } from "./limits.ts";
import { type PassedOn, passOn } from "./passOn.ts";
import { Refusal, refusalAnswer } from "./refusal.ts";
import type { RuleSet } from "./ruleSet.ts";
import { hostOf } from "./target.ts";

/** What every tunnel needs. */
export interface TunnelParts {
  readonly rules: RuleSet;
  readonly limits: Limits;
  readonly held: HeldRequests;
  readonly authority: Authority;
  /** Takes the requests of opened tunnels; it listens nowhere. */
  readonly inside: Server;
  readonly report: (report: EgressReport) => void;
}

const tunnels = new WeakMap<Socket, Tunnel>();
const nothing: PassedOn = { sentBytes: 0, receivedBytes: 0 };

/**
 * What a CONNECT asked for. TLS in it ends here, and each request is judged by itself, also where
 * no rule knows the host, so that the user can be asked about what was really wanted. Only what a
 * rule passes through stays closed.
 */
export class Tunnel {
  readonly host: EgressHost;
  /** Why none of its requests goes out. */
  refused: EgressRefusal | null = null;
  /** Requests are reported by themselves; a tunnel only if it had none. */
  isServed = false;
  readonly #parts: TunnelParts;
  readonly #socket: Socket;
  readonly #startedAt = performance.now();

  constructor(parts: TunnelParts, socket: Socket, host: EgressHost) {
    this.#parts = parts;
    this.#socket = socket;
    this.host = host;
  }

  /** The tunnel that a connection inside TLS came by; null for one that came by none. */
  static of(socket: Socket): Tunnel | null {
    return tunnels.get(socket) ?? null;
  }

  /** Never rejects. */
  async open(): Promise<void> {
    const { rules, limits, held } = this.#parts;
    const socket = this.#socket;
    socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    const hello = await firstWords(socket, limits.connectMs);
    if (hello === null) {
      hangUp(socket, "proxy.malformed", this.host);
      this.#report("proxy.malformed", null, nothing);
      return;
    }
    const asked = hello.serverName === null ? null : hostOf(hello.serverName);
    if (hello.serverName !== null && asked !== this.host.host) this.refused = "proxy.mismatch";
    const route = rules.passThrough(this.host);
    if (route !== null) {
      try {
        if (hello.hidesName || asked !== this.host.host) throw new Refusal("proxy.mismatch");
        await held.noted({ ...this.host, method: null, path: null }, route.rule.name);
        const bytes = await passOn(socket, { route, host: this.host, limits });
        this.#report(bytes.refused ?? null, route.rule.name, bytes);
        return;
      } catch (error) {
        this.refused = error instanceof Refusal ? error.code : "proxy.upstream";
      }
    }
    // The certificate is for whom the client means, so that it can read why it is refused.
    this.#terminate(asked ?? this.host.host);
  }

  #terminate(name: string): void {
    const { authority, inside, limits } = this.#parts;
    const secure = new TLSSocket(this.#socket, {
      isServer: true,
      secureContext: authority.contextFor(name),
      ALPNProtocols: ["http/1.1"],
    });
    tunnels.set(secure, this);
    secure.on("error", () => secure.destroy());
    const handshake = setTimeout(() => secure.destroy(), limits.connectMs);
    secure.once("secure", () => clearTimeout(handshake));
    secure.once("close", () => {
      clearTimeout(handshake);
      if (!this.isServed) this.#report(this.#unserved(), null, nothing);
    });
    inside.emit("connection", secure);
  }

  /** A client that does not trust the session's authority never says what it wants. */
  #unserved(): EgressRefusal {
    if (this.refused !== null) return this.refused;
    return this.#parts.rules.knows(this.host) ? "proxy.malformed" : "proxy.noRule";
  }

  #report(
    refused: EgressRefusal | null,
    rule: string | null,
    { sentBytes, receivedBytes }: PassedOn,
  ): void {
    this.#parts.report({
      kind: "request",
      request: { ...this.host, method: null, path: null },
      refused,
      rule,
      status: null,
      sentBytes,
      receivedBytes,
      injected: [],
      ms: Math.round(performance.now() - this.#startedAt),
    });
  }
}

/** Answers what is no request, or one for no tunnel that can be, and ends the connection. */
export function hangUp(socket: Duplex, code: EgressRefusal, host: EgressHost | null): void {
  const { status, headers, body } = refusalAnswer(code, host);
  const lines = headers.flatMap((name, index) =>
    index % 2 === 0 ? [`${name}: ${headers[index + 1] ?? ""}`] : [],
  );
  socket.end([`HTTP/1.1 ${status} Refused`, ...lines, "", body].join("\r\n"));
  // The parser has given up on what still comes.
  socket.removeAllListeners("data").on("data", () => undefined);
  farewell(socket);
}

/** What TLS begins with; nothing of it is taken from the connection. Null for what is not TLS. */
function firstWords(socket: Socket, ms: number): Promise<ClientHello | null> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const settle = (hello: ClientHello | null): void => {
      clearTimeout(timer);
      socket.off("readable", look);
      socket.off("close", none);
      if (bytes.length > 0) socket.unshift(bytes);
      resolve(hello);
    };
    const none = (): void => settle(null);
    const look = (): void => {
      for (let chunk: unknown = socket.read(); chunk !== null; chunk = socket.read()) {
        if (Buffer.isBuffer(chunk)) bytes = Buffer.concat([bytes, chunk]);
      }
      const hello = readClientHello(bytes);
      if (hello !== "more") settle(hello);
    };
    const timer = setTimeout(none, ms);
    socket.on("readable", look);
    socket.once("close", none);
    look();
  });
}
