import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a relay does to the traffic, beside passing it on. */
export interface RelayActions {
  /** Gives the body that the engine gets; `request` is like "POST /containers/create?name=x". */
  readonly toEngine?: (request: string, body: string) => string;
  /** Gives the bytes that the client gets; `request` is the last one on the connection. */
  readonly toClient?: (bytes: Buffer, request: string) => Buffer;
}

export interface EngineRelay {
  readonly socketPath: string;
  /** Breaks every connection, and accepts none any more. */
  cut(): void;
  /** Ends every connection politely, in the middle of whatever is on it. */
  end(): void;
  /** Passes nothing on any more, and says nothing. */
  stall(): void;
  close(): Promise<void>;
}

/** Stands between a sandbox and its engine, and can lie or fail in every way that an engine can. */
export async function startRelay(target: string, actions: RelayActions = {}): Promise<EngineRelay> {
  const directory = await mkdtemp(join(tmpdir(), "cairn-relay-"));
  const socketPath = join(directory, "docker.sock");
  const sockets = new Set<Socket>();
  let stalled = false;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const engine = connect({ path: target, allowHalfOpen: true });
    for (const socket of [client, engine]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    const requests = requestReader(actions.toEngine ?? ((_, body) => body));
    client.on("data", (bytes: Buffer) => {
      if (!stalled) for (const piece of requests.read(bytes)) engine.write(piece);
    });
    engine.on("data", (bytes: Buffer) => {
      const passed = actions.toClient?.(bytes, requests.last()) ?? bytes;
      if (!stalled && !client.destroyed) client.write(passed);
    });
    client.on("end", () => engine.end());
    engine.on("end", () => client.end());
  });
  await new Promise<void>((resolve) => {
    server.listen(socketPath, resolve);
  });
  const each = (what: (socket: Socket) => void): void => {
    server.close();
    for (const socket of sockets) what(socket);
  };
  const cut = (): void => each((socket) => socket.destroy());
  return {
    socketPath,
    cut,
    end: () => each((socket) => socket.end()),
    stall: () => {
      stalled = true;
    },
    close: async () => {
      cut();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

interface RequestReader {
  /** The pieces to pass on: whole requests, or bytes once the connection is a stream. */
  read(bytes: Buffer): readonly Buffer[];
  last(): string;
}

function requestReader(rewrite: (request: string, body: string) => string): RequestReader {
  let waiting = Buffer.alloc(0);
  let last = "";
  /** Once the engine has taken the connection over, what goes through it is no request. */
  const mode = { stream: false };
  const next = (): Buffer | null => {
    const headEnd = waiting.indexOf("\r\n\r\n");
    if (headEnd < 0) return null;
    const head = waiting.subarray(0, headEnd).toString("latin1");
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    const end = headEnd + 4 + length;
    if (waiting.length < end) return null;
    const body = waiting.subarray(headEnd + 4, end).toString("utf8");
    waiting = waiting.subarray(end);
    last = /^(\S+ \S+)/.exec(head)?.[1] ?? "";
    mode.stream = /^upgrade:/im.test(head);
    const given = Buffer.from(rewrite(last, body));
    const sized = head.replace(/^content-length: \d+/im, `Content-Length: ${given.length}`);
    return Buffer.concat([Buffer.from(`${sized}\r\n\r\n`, "latin1"), given]);
  };
  return {
    last: () => last,
    read: (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      const pieces: Buffer[] = [];
      while (!mode.stream) {
        const piece = next();
        if (piece === null) return pieces;
        pieces.push(piece);
      }
      if (waiting.length > 0) pieces.push(waiting);
      waiting = Buffer.alloc(0);
      return pieces;
    },
  };
}
