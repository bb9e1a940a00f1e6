import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectSecure } from "node:tls";
import type { RunningProxy } from "./runningProxy.ts";

/** Everything that comes until the connection ends. */
export async function toTheEnd(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => socket.destroy());
  if (!socket.closed) await once(socket, "close");
  return text;
}

/** Bytes to the proxy as they are, and what it answers. */
export async function spoken(
  proxy: RunningProxy,
  bytes: string,
  localAddress = "127.0.0.1",
): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: proxy.port, localAddress });
  socket.write(bytes, "latin1");
  return toTheEnd(socket);
}

/** A tunnel to a host, with what it was answered. */
export async function tunnel(
  proxy: RunningProxy,
  target: string,
): Promise<{ readonly socket: Socket; readonly answer: string }> {
  const socket = connect({ host: "127.0.0.1", port: proxy.port });
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  const [answer] = await once(socket, "data");
  return { socket, answer: String(answer) };
}

/** The same, and bytes as they are to whoever ends TLS in it. */
export async function spokenInside(
  proxy: RunningProxy,
  target: string,
  bytes: string,
): Promise<string> {
  const { socket } = await tunnel(proxy, target);
  const servername = target.replace(/:\d+$/, "");
  const secure = connectSecure({ socket, servername, ca: proxy.certificate });
  secure.write(bytes, "latin1");
  return toTheEnd(secure);
}
