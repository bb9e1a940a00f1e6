import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { isReading } from "../core/egressWords.ts";
import type { Limits } from "./limits.ts";
import { requestHeaders } from "./messageHeaders.ts";
import { Refusal } from "./refusal.ts";
import type { Understood } from "./request.ts";
import type { Route } from "./route.ts";
import { addressIn } from "./target.ts";

/** A request that may go out, and by what. */
export interface Sending {
  readonly understood: Understood;
  readonly rawHeaders: readonly string[];
  readonly route: Route;
  readonly injected: ReadonlyMap<string, string>;
  /** What the sandbox sends; nothing is read from it where there is no body. */
  readonly body: Readable;
  readonly limits: Limits;
  /** Ends it, from outside. */
  readonly signal: AbortSignal;
}

/** Resolves with the host's answer as soon as its headers are here; throws a `Refusal` for none. */
export async function send(sending: Sending): Promise<IncomingMessage> {
  const { hasBody, request } = sending.understood;
  // What is read may be asked again, so it may go by a connection that the host closes meanwhile.
  if (hasBody || !isReading(request)) return sendOnce(sending, false);
  try {
    return await sendOnce(sending, true);
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error;
    return sendOnce(sending, false);
  }
}

class StaleConnection extends Error {}

function sendOnce(sending: Sending, kept: boolean): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { understood, body, limits, signal } = sending;
    const upstream = newRequest(sending, kept);
    const timers = new Set<NodeJS.Timeout>();
    const within = (ms: number): NodeJS.Timeout => {
      const timer = setTimeout(() => upstream.destroy(new Refusal("proxy.upstream")), ms);
      timers.add(timer);
      return timer;
    };
    const settle = (): void => {
      for (const timer of timers) clearTimeout(timer);
    };
    const stop = (): void => void upstream.destroy(new Refusal("proxy.upstream"));
    signal.addEventListener("abort", stop, { once: true });
    upstream.once("close", () => {
      settle();
      signal.removeEventListener("abort", stop);
    });
    upstream.once("socket", (socket) => {
      if (!socket.connecting) return;
      const connecting = within(limits.connectMs);
      const ready = understood.request.scheme === "https" ? "secureConnect" : "connect";
      socket.once(ready, () => clearTimeout(connecting));
    });
    upstream.setTimeout(limits.idleMs, stop);
    upstream.once("finish", () => within(limits.headersMs));
    // Nobody asked for another protocol.
    upstream.once("upgrade", (_answer, socket) => {
      settle();
      socket.destroy();
      reject(new Refusal("proxy.upstream"));
    });
    upstream.once("response", (answer) => {
      settle();
      resolve(answer);
    });
    upstream.on("error", (error) => reject(failure(error, kept && upstream.reusedSocket)));
    body.once("error", (error) => {
      reject(failure(error, false));
      upstream.destroy();
    });
    if (understood.hasBody) body.pipe(upstream);
    else upstream.end();
  });
}

function failure(error: Error, reused: boolean): Error {
  if (error instanceof Refusal) return error;
  if (reused) return new StaleConnection("It was closed meanwhile.", { cause: error });
  return new Refusal("proxy.upstream", { cause: error });
}

function newRequest(sending: Sending, kept: boolean): ClientRequest {
  const { understood, rawHeaders, route, injected } = sending;
  const { scheme, host, port, method } = understood.request;
  const address = addressIn(host);
  const request = scheme === "https" ? httpsRequest : httpRequest;
  return request({
    agent: kept ? route.kept : route.fresh,
    host: address ?? host,
    port,
    method,
    path: understood.url,
    headers: [...requestHeaders(rawHeaders, understood.request, injected), ...framing(understood)],
    // An address is no name that TLS could ask for.
    ...(scheme === "https" ? { servername: address === null ? host : "" } : {}),
  });
}

/** Where the body ends, said anew from what was understood. */
function framing({ bodyBytes, hasBody, request }: Understood): readonly string[] {
  if (bodyBytes === null) return ["Transfer-Encoding", "chunked"];
  if (hasBody || !isReading(request)) return ["Content-Length", String(bodyBytes)];
  return [];
}
