import { Worker } from "node:worker_threads";
import { CairnError } from "../core/errors.ts";
import type { DurableDriver, Lease, SessionSummary } from "../core/ports.ts";
import type { RecordBody, SessionRecord } from "../core/records.ts";
import { leaseMs } from "./sqliteStore.ts";
import {
  errorFrom,
  type Response,
  type StoreArgs,
  type StoreData,
  type StoreMethod,
  type StoreResult,
} from "./storeProtocol.ts";

export interface EmbeddedOptions extends StoreData {
  /** The built store worker. */
  readonly worker: URL;
}

/** The driver for one machine: SQLite in a worker thread, many windows and processes on one file. */
export class EmbeddedDriver implements DurableDriver {
  readonly #worker: Worker;
  readonly #pending = new Map<number, (response: Response) => void>();
  readonly #leases = new Map<string, Lease>();
  /** How many records of a session were found sound; asked again, only newer ones are read. */
  readonly #verified = new Map<string, number>();
  readonly #heartbeat: NodeJS.Timeout;
  #requests = 0;
  #gone: Error | null = null;

  constructor(options: EmbeddedOptions) {
    const { worker, path, key, owner } = options;
    this.#worker = new Worker(worker, { workerData: { path, key, owner } satisfies StoreData });
    this.#worker.on("message", (response: Response) => this.#settle(response));
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", () => this.#end(new Error("the store's thread ended")));
    // Only work in progress keeps a process alive, not the store.
    this.#worker.unref();
    this.#heartbeat = setInterval(() => this.#renew(), leaseMs / 4);
    this.#heartbeat.unref();
  }

  async create(session: string, first: RecordBody): Promise<Lease> {
    return this.#held(await this.#call("create", session, first));
  }

  async claim(session: string): Promise<Lease> {
    return this.#held(await this.#call("claim", session));
  }

  async release(lease: Lease): Promise<void> {
    this.#leases.delete(lease.session);
    // A lease that cannot be given back runs out by itself.
    await this.#call("release", lease).catch(() => {});
  }

  async append(lease: Lease, body: RecordBody): Promise<SessionRecord> {
    return this.#call("append", lease, body);
  }

  async read(session: string, afterSeq = 0): Promise<readonly SessionRecord[]> {
    return this.#call("read", session, afterSeq);
  }

  async list(): Promise<readonly SessionSummary[]> {
    const summaries = await this.#eachSession(async (id) => this.#call("summary", id));
    return summaries.flatMap(({ result }) => (result === null ? [] : [result]));
  }

  async problems(): Promise<readonly { readonly session: string; readonly reason: string }[]> {
    const looks = await this.#eachSession(async (id) => this.#verify(id));
    return looks.flatMap(({ id, reason }) => (reason === null ? [] : [{ session: id, reason }]));
  }

  async putBlobs(blobs: readonly Uint8Array[]): Promise<readonly string[]> {
    return this.#call("putBlobs", blobs);
  }

  async getBlob(digest: string): Promise<Uint8Array | null> {
    return this.#call("getBlob", digest);
  }

  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    if (this.#gone !== null) return;
    await Promise.all([...this.#leases.values()].map(async (lease) => this.release(lease)));
    await this.#call("close");
    await this.#worker.terminate();
  }

  async #eachSession<Result>(
    look: (id: string) => Promise<Result>,
  ): Promise<readonly { id: string; result: Result | null; reason: string | null }[]> {
    const ids = await this.#call("sessions");
    return Promise.all(
      ids.map(async (id) => {
        try {
          return { id, result: await look(id), reason: null };
        } catch (error) {
          if (!CairnError.is(error, "store.corrupt")) throw error;
          return { id, result: null, reason: error.message };
        }
      }),
    );
  }

  async #verify(id: string): Promise<void> {
    const { records } = await this.#call("summary", id);
    const sound = this.#verified.get(id) ?? 0;
    if (records > sound) await this.#call("read", id, sound);
    this.#verified.set(id, records);
  }

  #held(lease: Lease): Lease {
    this.#leases.set(lease.session, lease);
    return lease;
  }

  #renew(): void {
    const leases = [...this.#leases.values()];
    // A missed renewal shows at the next append, as a lost lease or an unwritable store.
    if (leases.length > 0) this.#call("renew", leases).catch(() => {});
  }

  async #call<Method extends StoreMethod>(
    method: Method,
    ...args: StoreArgs<Method>
  ): Promise<StoreResult<Method>> {
    if (this.#gone !== null) throw this.#unreachable(this.#gone);
    this.#requests += 1;
    const id = this.#requests;
    this.#worker.ref();
    const response = await new Promise<Response>((resolve) => {
      this.#pending.set(id, resolve);
      this.#worker.postMessage({ id, method, args });
    });
    if (!response.ok) throw errorFrom(response.error);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own worker answers the method it was asked; the types meet again here
    return response.value as StoreResult<Method>;
  }

  #settle(response: Response): void {
    const waiting = this.#pending.get(response.id);
    this.#pending.delete(response.id);
    if (this.#pending.size === 0) this.#worker.unref();
    waiting?.(response);
  }

  #end(cause: Error): void {
    this.#gone ??= cause;
    for (const id of this.#pending.keys()) {
      const { message } = this.#unreachable(cause);
      this.#settle({ id, ok: false, error: { code: "store.unwritable", message, details: {} } });
    }
  }

  #unreachable(cause: Error): CairnError {
    return new CairnError(
      "store.unwritable",
      `The store stopped (${cause.message}). Nothing more was recorded; reload the window and resume.`,
      { cause },
    );
  }
}
