import type { Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import type { EgressRefusal } from "../core/egress.ts";
import type { EgressHost } from "../core/egressDecision.ts";
import { Bounded } from "./answerBody.ts";
import type { Limits } from "./limits.ts";
import { Refusal } from "./refusal.ts";
import type { Route } from "./route.ts";

/** How much went through. */
export interface PassedOn {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** What ended it before its time. */
  readonly refused?: EgressRefusal;
}

/**
 * Bytes as they are, both ways, until one side ends. Throws a `Refusal` when the host cannot be
 * connected to, and has then taken nothing from the socket.
 */
export async function passOn(
  socket: Socket,
  {
    route,
    host,
    limits,
  }: { readonly route: Route; readonly host: EgressHost; readonly limits: Limits },
): Promise<PassedOn> {
  route.checkHost(host.host);
  const upstream = await connected(route.connect(host.host, host.port), limits.connectMs);
  const { requestLimits, responseLimits } = route.rule;
  const sent = new Bounded(requestLimits?.bytes ?? Infinity);
  const received = new Bounded(responseLimits?.bytes ?? Infinity);
  for (const each of [socket, upstream]) {
    each.setTimeout(limits.idleMs, () => each.destroy());
  }
  const longest = setTimeout(() => socket.destroy(), limits.totalMs);
  const ways = await Promise.allSettled([
    pipeline(socket, sent, upstream),
    pipeline(upstream, received, socket),
  ]);
  clearTimeout(longest);
  const bytes = { sentBytes: sent.bytes, receivedBytes: received.bytes };
  const cut = ways.find((way) => way.status === "rejected" && way.reason instanceof Refusal);
  return cut === undefined ? bytes : { ...bytes, refused: "proxy.tooLarge" };
}

function connected(upstream: Socket, ms: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => upstream.destroy(new Refusal("proxy.upstream")), ms);
    upstream.once("connect", () => {
      clearTimeout(timer);
      resolve(upstream);
    });
    upstream.on("error", (error) => {
      clearTimeout(timer);
      reject(error instanceof Refusal ? error : new Refusal("proxy.upstream", { cause: error }));
    });
  });
}
