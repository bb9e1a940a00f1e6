import {
  parentPort,
  receiveMessageOnPort,
  workerData,
  type MessagePort,
} from "node:worker_threads";
import { isDead } from "./owner.ts";
import { SqliteStore, type SharedWrite, type Written } from "./sqliteStore.ts";
import type { RecordTexts } from "./storedRecords.ts";
import type { Outcome } from "./storeFile.ts";
import {
  errorData,
  type Request,
  type Response,
  type StoreData,
  type StoreMessage,
} from "./storeProtocol.ts";

/** How often another process's records are looked for. */
const lookMs = 100;
/** Records are handed over in pieces of about this many characters, so that both threads work at once. */
const partLength = 256 * 1024;

/**
 * The store's own thread: the editor never waits for a disk. Requests are done in order; appends
 * that came while others were being written share the next sync.
 */
class StoreService {
  readonly #port: MessagePort;
  readonly #data: StoreData;
  #store: SqliteStore | null = null;
  #watching: NodeJS.Timeout | null = null;

  constructor(port: MessagePort, data: StoreData) {
    this.#port = port;
    this.#data = data;
  }

  start(): void {
    this.#port.on("message", (first: Request) => this.#serve(first));
    setInterval(() => this.#renew(), this.#data.leaseMs / 4);
  }

  #serve(first: Request): void {
    const requests = [first];
    for (;;) {
      const next: { message: Request } | undefined = receiveMessageOnPort(this.#port);
      if (next === undefined) break;
      requests.push(next.message);
    }
    let shared: (Request & SharedWrite)[] = [];
    for (const request of requests) {
      if (isShared(request)) {
        shared.push(request);
        continue;
      }
      this.#together(shared);
      shared = [];
      this.#respond([this.#alone(request)]);
    }
    this.#together(shared);
  }

  #together(requests: readonly (Request & SharedWrite)[]): void {
    if (requests.length === 0) return;
    let outcomes: readonly Outcome<Written>[] = [];
    let failed: unknown = null;
    try {
      outcomes = this.#opened().together(requests);
    } catch (error) {
      failed = error;
    }
    this.#respond(
      requests.map(({ id }, index): Response => {
        const outcome = outcomes[index] ?? { ok: false, error: failed };
        if (outcome.ok) return { id, ok: true, value: outcome.value };
        return { id, ok: false, error: errorData(outcome.error) };
      }),
    );
  }

  #alone(request: Exclude<Request, SharedWrite>): Response {
    const { id } = request;
    try {
      return { id, ok: true, value: this.#perform(request) };
    } catch (error) {
      return { id, ok: false, error: errorData(error) };
    }
  }

  #perform(request: Exclude<Request, SharedWrite>): unknown {
    if (request.method === "read") return this.#read(request);
    if (request.method === "watch") return this.#watch(...request.args);
    if (request.method === "close") return this.#store?.close();
    const store = this.#opened();
    // The request's type says that these are the arguments of the method that it names.
    const result: unknown = Reflect.apply(store[request.method], store, request.args);
    return result;
  }

  #read({ id, args }: Extract<Request, { method: "read" }>): void {
    let pending: RecordTexts[] = [];
    let length = 0;
    const send = (): void => {
      const [head] = pending;
      if (head === undefined) return;
      const texts = pending.map((part) => part.texts).join(",");
      this.#send({ kind: "part", id, part: { ...head, texts } });
      pending = [];
      length = 0;
    };
    this.#opened().read(...args, (part) => {
      pending.push(part);
      length += part.texts.length;
      // One that is yet to be checked goes alone, so that it can be named.
      if (length >= partLength || !part.checked) send();
    });
    send();
  }

  #watch(on: boolean): void {
    if (this.#watching !== null) clearInterval(this.#watching);
    this.#watching = null;
    if (!on) return;
    let known = this.#opened().version();
    this.#watching = setInterval(() => {
      try {
        const version = this.#opened().version();
        if (version === known) return;
        known = version;
        this.#send({ kind: "changed" });
      } catch {
        // A store that cannot be read says so to whoever reads it; look again.
      }
    }, lookMs);
  }

  #renew(): void {
    try {
      this.#store?.renew();
    } catch {
      // A missed renewal shows at the next append, as a lost lease or an unwritable store.
    }
  }

  #opened(): SqliteStore {
    this.#store ??= new SqliteStore({ ...this.#data, now: bootClock, dead: isDead });
    return this.#store;
  }

  #respond(responses: readonly Response[]): void {
    this.#send({ kind: "responses", responses });
  }

  #send(message: StoreMessage): void {
    this.#port.postMessage(message);
  }
}

/** Milliseconds since the machine started: the same for all its processes, and nobody sets it. */
function bootClock(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

function isShared(request: Request): request is Request & SharedWrite {
  return request.method === "append" || request.method === "putBlobs";
}

if (parentPort !== null) new StoreService(parentPort, workerData).start();
