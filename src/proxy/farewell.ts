import type { Duplex } from "node:stream";

/** How long a client that was refused may go on sending before its connection is closed. */
const farewellMs = 1000;

/**
 * Closes a connection once its other side has had time to read: one that is closed with something
 * unread takes its last answer back.
 */
export function farewell(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), farewellMs);
  socket.once("close", () => clearTimeout(timer));
}
