import { CairnError } from "../../src/core/errors.ts";
import type { Lease, Recalled } from "../../src/core/ports.ts";
import type { RecordBody, SessionRecord } from "../../src/core/records.ts";
import type { SessionStore } from "../../src/core/session.ts";
import type { Line, SimProcess } from "./simMachine.ts";

/** Bugs that a simulation must find. */
export type Bug = "none" | "noIntent" | "noSync" | "noLeaseCheck";

export const simLeaseMs = 1000;

/** One process's door to the log of one session on a simulated disk: the driver's rules, and nothing else of it. */
export class SimStore implements SessionStore {
  readonly #process: SimProcess;
  readonly #bug: Bug;
  /** What this store said was on disk, by place in the log. */
  readonly acknowledged: SessionRecord[] = [];

  constructor(process: SimProcess, bug: Bug) {
    this.#process = process;
    this.#bug = bug;
  }

  async create(session: string, first: RecordBody): Promise<Lease> {
    await this.#process.point();
    this.#write(session, { kind: "record", epoch: 1, body: first, until: this.#until });
    await this.#commit(session);
    return { session, epoch: 1 };
  }

  async claim(session: string): Promise<Lease> {
    await this.#process.point();
    const held = this.#lease(session);
    if (held.until > this.#process.machine.now) {
      throw new CairnError("session.busy", "Another process runs it.");
    }
    const epoch = held.epoch + 1;
    this.#write(session, { kind: "lease", epoch, until: this.#until });
    await this.#commit(session);
    return { session, epoch };
  }

  async release({ session, epoch }: Lease): Promise<void> {
    await this.#process.point();
    if (this.#lease(session).epoch !== epoch) return;
    this.#write(session, { kind: "lease", epoch, until: 0 });
    await this.#commit(session);
  }

  async append({ session, epoch }: Lease, body: RecordBody): Promise<SessionRecord> {
    await this.#process.point();
    if (this.#bug !== "noLeaseCheck" && this.#lease(session).epoch !== epoch) {
      throw new CairnError("session.lost", "Another process took over.");
    }
    const lines = this.#process.machine.disk.read(session);
    const seq = lines.reduce((count, { kind }) => (kind === "record" ? count + 1 : count), 1);
    if (this.#bug === "noIntent" && body.kind === "step.started") {
      return { ...body, session, seq: seq - 1 };
    }
    this.#write(session, { kind: "record", epoch, body });
    await this.#commit(session);
    const record = { ...body, session, seq };
    this.acknowledged.push(record);
    return record;
  }

  async read(session: string, afterSeq = 0): Promise<readonly SessionRecord[]> {
    await this.#process.point();
    return this.#records(session).slice(afterSeq);
  }

  async recall(): Promise<Recalled | null> {
    return null;
  }

  /** A process that is killed here has written and not been told so; one that stops, stops before or after. */
  async #commit(session: string): Promise<void> {
    await this.#process.point("inside");
    if (this.#bug !== "noSync") this.#process.machine.disk.sync(session);
    await this.#process.point();
  }

  #records(session: string): readonly SessionRecord[] {
    const records: SessionRecord[] = [];
    for (const line of this.#process.machine.disk.read(session)) {
      if (line.kind === "record") records.push({ ...line.body, session, seq: records.length + 1 });
    }
    return records;
  }

  #lease(session: string): { readonly epoch: number; readonly until: number } {
    const lines = this.#process.machine.disk.read(session);
    const { epoch, until } = lines.findLast((line) => line.until !== undefined) ?? {};
    if (epoch !== undefined && until !== undefined) return { epoch, until };
    throw new CairnError("session.unknown", "There is no such session.");
  }

  get #until(): number {
    return this.#process.machine.now + simLeaseMs;
  }

  #write(session: string, line: Line): void {
    this.#process.machine.disk.write(session, line);
  }
}
