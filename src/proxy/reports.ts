import { Socket } from "node:net";
import type { FromProxy } from "../core/egress.ts";

/** What nobody reads is kept up to here, some fifty thousand requests; what comes then is left out. */
const most = 16 * 1024 * 1024;

/**
 * Lines to whoever started the proxy. The standard output as node has it would hold up every
 * request while its pipe is full, and one that is closed would end the process.
 */
export class Reports {
  readonly #pipe: Socket;

  constructor(descriptor: number) {
    this.#pipe = new Socket({ fd: descriptor, readable: false, writable: true });
    this.#pipe.on("error", () => this.#pipe.destroy());
  }

  say(line: FromProxy): void {
    if (!this.#pipe.writable) return;
    // What somebody waits for is never left out, and never much.
    if (line.kind === "request" && this.#pipe.writableLength > most) return;
    this.#pipe.write(`${JSON.stringify(line)}\n`);
  }
}
