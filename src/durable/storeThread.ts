import { Worker } from "node:worker_threads";
import { CairnError } from "../core/errors.ts";
import {
  errorFrom,
  type Response,
  type StoreCalls,
  type StoreData,
  type StoreMessage,
  type StoreMethod,
} from "./storeProtocol.ts";
import type { RecordTexts } from "./storedRecords.ts";

interface Pending {
  readonly settle: (response: Response) => void;
  readonly part: (part: RecordTexts) => void;
}

const noPart = (): void => {};

/** This side of the store's thread: calls go over in order, and each gets its answer. */
export class StoreThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #requests = 0;
  #gone: Error | null = null;

  /** `changed` is called after another process has written, while that is watched for. */
  constructor(worker: URL, data: StoreData, changed: () => void) {
    this.#worker = new Worker(worker, { workerData: data });
    this.#worker.on("message", (message: StoreMessage) => {
      if (message.kind === "changed") changed();
      else if (message.kind === "part") this.#pending.get(message.id)?.part(message.part);
      else for (const response of message.responses) this.#settle(response);
    });
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", () => this.#end(new Error("the store's thread ended")));
    // Only work in progress keeps a process alive, not the store.
    this.#worker.unref();
  }

  /** Resolves with the answer, after `part` was called with each part that came before it. */
  async call<Method extends StoreMethod>(
    method: Method,
    args: StoreCalls[Method]["args"],
    part: (part: RecordTexts) => void = noPart,
  ): Promise<StoreCalls[Method]["result"]> {
    if (this.#gone !== null) throw unreachable(this.#gone);
    this.#requests += 1;
    const id = this.#requests;
    this.#worker.ref();
    const response = await new Promise<Response>((settle) => {
      this.#pending.set(id, { settle, part });
      this.#worker.postMessage({ id, method, args });
    });
    if (!response.ok) throw errorFrom(response.error);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own worker answers the method it was asked; the types meet again here
    return response.value as StoreCalls[Method]["result"];
  }

  /** Ends the thread; the store closes first. */
  async end(): Promise<void> {
    if (this.#gone !== null) return;
    await this.call("close", []);
    await this.#worker.terminate();
  }

  #settle(response: Response): void {
    const waiting = this.#pending.get(response.id);
    this.#pending.delete(response.id);
    if (this.#pending.size === 0) this.#worker.unref();
    waiting?.settle(response);
  }

  #end(cause: Error): void {
    this.#gone ??= cause;
    for (const id of this.#pending.keys()) {
      const { message } = unreachable(cause);
      this.#settle({ id, ok: false, error: { code: "store.unwritable", message, details: {} } });
    }
  }
}

function unreachable(cause: Error): CairnError {
  return new CairnError(
    "store.unwritable",
    `The store stopped (${cause.message}). Nothing more was recorded; reload the window and resume.`,
    { cause },
  );
}
