import { derive, plainReplay, type DerivationRequest } from "../../src/core/derivation.ts";
import { Flow } from "../../src/core/flow.ts";
import { FlowRun, type FlowParts } from "../../src/core/flowRun.ts";
import type { RecordBody, SessionRecord } from "../../src/core/records.ts";
import { fakeWorld } from "../fakes/fakeWorld.ts";
import { MemoryAudit } from "../fakes/memoryAudit.ts";
import { Secrets } from "../../src/redaction/secrets.ts";

/** A flow over an array: run it again to see what a restart would. */
export class Journal {
  readonly session: string;
  readonly records: SessionRecord[] = [];
  readonly world = fakeWorld();
  readonly audit = new MemoryAudit();
  /** Called before a record is written; a test dies here. */
  beforeAppend: (body: RecordBody) => void = () => {};

  constructor(session = "s") {
    this.session = session;
  }

  flow(more: Partial<FlowParts> = {}): Flow {
    return new Flow(
      new FlowRun({
        session: this.session,
        world: this.world,
        audit: this.audit,
        signal: new AbortController().signal,
        append: async (body: RecordBody) => {
          this.beforeAppend(body);
          this.write(body);
        },
        redactor: new Secrets().persisted,
        history: [...this.records],
        ...more,
      }),
    );
  }

  /** A flow of a new session that is made from this one. */
  derived(into: Journal, request: Partial<DerivationRequest> = {}): Flow {
    const derivation = derive(this.records, { ...plainReplay, ...request });
    return into.flow({ source: { records: this.records, derivation } });
  }

  write(body: RecordBody): void {
    const copy = structuredClone(body);
    this.records.push({ ...copy, session: this.session, seq: this.records.length + 1 });
  }

  /** What the operator says. */
  answer(wait: string, answer: Extract<RecordBody, { kind: "wait.answered" }>["answer"]): void {
    const by = { user: "dev", surface: "cli" } as const;
    this.write({ kind: "wait.answered", at: 0, wait, answer, digest: "", by });
  }

  retried(): void {
    this.write({ kind: "session.resumed", at: 0, reason: "retry", newShell: false });
  }

  /** Ids in the order of record, with how they came. */
  get told(): readonly string[] {
    return this.records.map((record) => {
      if (record.kind === "step.completed") return `${record.step} ${record.via}`;
      if ("step" in record) return `${record.step} ${record.kind.slice(5)}`;
      return "wait" in record ? `${record.wait} ${record.kind.slice(5)}` : record.kind;
    });
  }
}
