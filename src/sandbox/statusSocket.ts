import { randomBytes } from "node:crypto";
import { chmod, lstat, mkdir, readdir, rm } from "node:fs/promises";
import {
  createServer,
  get,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { join } from "node:path";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import { isHealthy, workerStatus, type WorkerStatus } from "../core/workerStatus.ts";

/** What `/status` answers. */
export const processStatus = z.object({ pid: z.number(), workers: z.array(workerStatus) });
export type ProcessStatus = z.infer<typeof processStatus>;

/** The longest path that Linux takes for a socket, without its end mark; macOS takes 103. */
const longestPath = process.platform === "darwin" ? 103 : 107;
const answerWithinMs = 5_000;
const largestAnswer = 4 * 1024 * 1024;
/** Between being made and being listened on, a socket of a living process refuses, too. */
const youngMs = 10_000;

/**
 * `/healthz` and `/status` of this process's sandboxes, by HTTP on a unix socket that only its
 * owner can reach: no port, no network. Read only.
 */
export class StatusSocket {
  readonly #directory: string;
  readonly #statuses: () => Promise<readonly WorkerStatus[]>;
  #server: Promise<Server> | null = null;

  constructor(root: string, statuses: () => Promise<readonly WorkerStatus[]>) {
    this.#directory = directoryOf(root);
    this.#statuses = statuses;
  }

  /** Idempotent. Throws `usage.invalid` where the path is too long for a socket. */
  async open(): Promise<void> {
    this.#server ??= this.#listen();
    await this.#server;
  }

  async close(): Promise<void> {
    const server = await this.#server?.catch(() => null);
    this.#server = null;
    if (server === undefined || server === null) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  async #listen(): Promise<Server> {
    const path = join(this.#directory, `${randomBytes(8).toString("hex")}.sock`);
    if (Buffer.byteLength(path) > longestPath) {
      throw new CairnError(
        "usage.invalid",
        `${path} is too long for a socket. Set CAIRN_HOME to a shorter path.`,
      );
    }
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await chmod(this.#directory, 0o700);
    await readStatuses(this.#directory);
    const server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.writeHead(500).end());
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    await chmod(path, 0o600);
    // Nothing stays alive to be asked how it is.
    server.unref();
    return server;
  }

  async #answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    if (method !== "GET") {
      send(response, 405, { error: "Only GET." });
      return;
    }
    if (url !== "/healthz" && url !== "/status") {
      send(response, 404, { error: "There are /healthz and /status." });
      return;
    }
    const workers = await this.#statuses();
    const healthy = workers.every(isHealthy);
    if (url === "/status") send(response, 200, { pid: process.pid, workers });
    else send(response, healthy ? 200 : 503, { healthy, workers: workers.length });
  }
}

function send(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}

function directoryOf(root: string): string {
  return join(root, "run");
}

/** What every living process with this root says of its sandboxes. Removes sockets of dead ones. */
export async function runningWorkers(root: string): Promise<readonly ProcessStatus[]> {
  return readStatuses(directoryOf(root));
}

async function readStatuses(directory: string): Promise<readonly ProcessStatus[]> {
  const names = await readdir(directory).catch(() => []);
  const sockets = names.filter((name) => /^[0-9a-f]{16}\.sock$/u.test(name));
  const answers = await Promise.all(sockets.map(async (name) => askOrSweep(join(directory, name))));
  return answers.flatMap((answer) => (answer === null ? [] : [answer]));
}

async function askOrSweep(path: string): Promise<ProcessStatus | null> {
  try {
    return processStatus.parse(JSON.parse(await ask(path)));
  } catch (error) {
    const refused = z.object({ code: z.literal("ECONNREFUSED") }).safeParse(error).success;
    if (refused) await sweep(path);
    return null;
  }
}

async function sweep(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found?.isSocket() === true && Date.now() - found.mtimeMs > youngMs) {
    await rm(path, { force: true });
  }
}

async function ask(socketPath: string): Promise<string> {
  const signal = AbortSignal.timeout(answerWithinMs);
  return new Promise((resolve, reject) => {
    const request = get({ socketPath, path: "/status", signal }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > largestAnswer) request.destroy(new Error("It says too much."));
      });
      response.once("end", () => resolve(text));
      response.once("error", reject);
    });
    request.once("error", reject);
  });
}
