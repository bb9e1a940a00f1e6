import { CairnError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { WorkerStatus } from "../core/workerStatus.ts";
import { StatusSocket } from "./statusSocket.ts";

interface Reporting {
  status(): Promise<WorkerStatus>;
}

/** The sandboxes that this process has running, and the one socket that tells of them. */
export class Workers {
  readonly #workers = new Set<Reporting>();
  readonly #socket: StatusSocket;
  readonly #log: Log;

  constructor(root: string, log: Log) {
    this.#log = log;
    this.#socket = new StatusSocket(root, async () => this.statuses());
  }

  /** The socket is there from the first worker on. */
  add(worker: Reporting): void {
    this.#workers.add(worker);
    this.#socket.open().catch((error: unknown) => {
      const reason = CairnError.is(error) ? error.message : String(error);
      this.#log(`cairn status does not see this process: ${reason}`);
    });
  }

  remove(worker: Reporting): void {
    this.#workers.delete(worker);
  }

  async statuses(): Promise<readonly WorkerStatus[]> {
    return Promise.all([...this.#workers].map(async (worker) => worker.status()));
  }

  async close(): Promise<void> {
    await this.#socket.close();
  }
}
