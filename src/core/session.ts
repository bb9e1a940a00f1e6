import { Answering } from "./answering.ts";
import { runAsked } from "./asked.ts";
import { useDevContainer, type DevContainerParts } from "./devContainer.ts";
import { CairnError } from "./errors.ts";
import { failureOf, leavesAsItIs } from "./failure.ts";
import { Flow } from "./flow.ts";
import { flowContext } from "./flowContext.ts";
import type { FlowDefinition } from "./flowDefinition.ts";
import { FlowRun } from "./flowRun.ts";
import { guardedFlow } from "./guardedFlow.ts";
import type {
  AuditLog,
  CommandReader,
  DurableDriver,
  Lease,
  Model,
  Permissions,
  Redactor,
  SandboxHost,
  WayOut,
  WorkspaceTrees,
  World,
} from "./ports.ts";
import { Parked } from "./recordedWait.ts";
import type {
  Identity,
  JsonValue,
  RecordBody,
  ResumeReason,
  SessionRecord,
  SessionSpec,
  SessionStatus,
} from "./records.ts";
import type { Profile } from "./profileRecord.ts";
import { viewOf, type SessionView } from "./replay.ts";
import { SessionAudit } from "./sessionAudit.ts";
import {
  activeMs,
  denials,
  hadShell,
  isAnswered,
  isOfFlow,
  pendingRequest,
  profileDigest,
  standing,
  type Asked,
} from "./sessionFacts.ts";
import type { Rule } from "./rule.ts";
import { sourceOf } from "./sessionSource.ts";
import { useSkills, type SkillsParts } from "./skillUpdate.ts";
import type { Tool } from "./tool.ts";
import type { Answer } from "./waitAnswer.ts";
import { plainEnd, plainSpec } from "./withoutSecrets.ts";
import { Workspace } from "./workspace.ts";

/** What a session needs of its store. */
export type SessionStore = Pick<
  DurableDriver,
  "create" | "claim" | "release" | "append" | "read" | "recall"
>;

export interface SessionParts {
  readonly driver: SessionStore;
  readonly world: World;
  readonly model: Model;
  readonly tools: readonly Tool[];
  readonly trees: WorkspaceTrees;
  readonly sandbox: SandboxHost;
  /** Who decides for a session with this profile, by the rules as they are. */
  readonly permissions: (profile: Profile) => Permissions;
  readonly commands: CommandReader;
  /** For sandboxes that have a way out. */
  readonly wayOut?: WayOut;
  /** Keeps what the operator allowed for more than once. Never throws: then it was allowed once. */
  readonly grant: (rules: readonly Rule[], by: Identity, session: string) => Promise<void>;
  readonly audit: AuditLog;
  /** Flows of one's own, beside the agent. */
  readonly flows: readonly FlowDefinition[];
  /** For sessions that run in a dev container. */
  readonly devContainer?: DevContainerParts;
  /** For sessions with skills of a source that may change. */
  readonly skills?: SkillsParts;
  /** What is recorded passes it first. */
  readonly redactor: Redactor;
  /** Called after each record is on disk. The only event in the system. */
  readonly onRecord: (record: SessionRecord) => void;
}

/**
 * One flow over one session's records. Starting, answering, retrying and reloading the window are
 * the same act: record what is new, then run from the top and let the records skip the rest.
 */
export class Session {
  readonly id: string;
  readonly #parts: SessionParts;
  readonly #records: SessionRecord[];
  readonly #workspace: Workspace;
  readonly #audit: SessionAudit;
  readonly #answering: Answering;
  #lease: Lease | null;
  /** True when this object's shell and tree are not those of the newest record. */
  #fresh = true;
  /** The view of so many records. */
  #seen: { readonly count: number; readonly view: SessionView } | null = null;
  /** True while the flow is being run, so that an answer can reach it. */
  #driven = false;

  private constructor(
    id: string,
    parts: SessionParts,
    state: { readonly records: SessionRecord[]; readonly lease: Lease | null },
  ) {
    this.id = id;
    this.#parts = parts;
    this.#records = state.records;
    this.#lease = state.lease;
    this.#audit = new SessionAudit(parts.audit, id);
    this.#answering = new Answering({
      ...parts,
      session: id,
      audit: this.#audit,
      view: () => this.view,
      append: async (body) => this.#append(body),
    });
    const { workspace: source, sandbox: place } = viewOf(state.records).spec;
    const directory = place.devContainer?.directory ?? "/workspace";
    const { trees, sandbox } = parts;
    this.#workspace = new Workspace({ trees, sandbox, source, directory });
  }

  /** Makes the session's first record. Nothing runs before `run`. Throws `audit.unwritable`. */
  static async create(parts: SessionParts, id: string, given: SessionSpec): Promise<Session> {
    const spec = plainSpec(given, parts.redactor);
    const guarded = { ...spec, profileDigest: profileDigest(parts.world, spec) };
    const first: RecordBody = { kind: "session.started", at: parts.world.now(), spec: guarded };
    await new SessionAudit(parts.audit, id).started(guarded);
    const shared = spec.replayOf === null ? {} : { sharesBlobsOf: spec.replayOf };
    const lease = await parts.driver.create(id, first, shared);
    const record: SessionRecord = { ...first, session: id, seq: 1 };
    parts.onRecord(record);
    return new Session(id, parts, { records: [record], lease });
  }

  /** Reads a session. Throws `session.unknown`, `store.corrupt`. */
  static async open(parts: SessionParts, id: string): Promise<Session> {
    const records = [...(await parts.driver.read(id))];
    return new Session(id, parts, { records, lease: null });
  }

  get records(): readonly SessionRecord[] {
    return this.#records;
  }

  get view(): SessionView {
    const count = this.#records.length;
    if (this.#seen?.count !== count) this.#seen = { count, view: viewOf(this.#records) };
    return this.#seen.view;
  }

  /** Resolves when nothing of an ended run still writes to the session's copy. */
  async settled(): Promise<void> {
    await this.#workspace.settled();
  }

  /**
   * Runs until the flow ends or parks, and resolves with the status then. An abort is a polite
   * crash: nothing is recorded as failed, and the session goes on with `resume` from the next call.
   * Throws `session.busy`, `session.lost`, `store.*`; every other failure ends the session as failed.
   */
  async run(signal: AbortSignal): Promise<SessionStatus> {
    return this.#holding(async () => this.#drive(signal));
  }

  /** Records the copy of the user's folder, so that a machine without that folder can go on. Runs nothing. */
  async prepare(signal: AbortSignal): Promise<void> {
    await this.#holding(async () => {
      const flow = await this.#flow(signal, isOfFlow);
      this.#workspace.begin(true, false);
      await this.#workspace.ready(flow);
      flow.end();
    });
  }

  /** Goes on after an interruption. Throws `session.ended` when there is nothing to go on with. */
  async resume(signal: AbortSignal): Promise<SessionStatus> {
    return this.#holding(async () => {
      const { status, openWaits, spec } = this.view;
      // Where nobody is there a crash may have left a question open that nobody will answer.
      const left = spec.profile.unattended && openWaits.some(({ wait }) => isOfFlow(wait));
      if (status === "waiting" && !left) return "waiting";
      if (status !== "running" && status !== "waiting") {
        const hint = status === "failed" ? ` Use retry: it starts again from the failed step.` : "";
        throw new CairnError("session.ended", `Session ${this.id} is ${status}.${hint}`);
      }
      this.#guard();
      await this.#resumed("resume");
      return this.#goOn(signal);
    });
  }

  /** Goes on with a failed session from the step that failed. Throws `session.notFailed`. */
  async retry(signal: AbortSignal): Promise<SessionStatus> {
    return this.#holding(async () => {
      const { status } = this.view;
      if (status !== "failed") {
        throw new CairnError(
          "session.notFailed",
          `Session ${this.id} is ${status}, and only a failed session can be retried.`,
        );
      }
      this.#guard();
      await this.#resumed("retry");
      return this.#goOn(signal);
    });
  }

  /**
   * Records an answer and goes on. The first answer wins: throws `wait.answered` for a later one,
   * `wait.unknown`, and `wait.invalidAnswer` (the wait stays open).
   */
  async answer(answer: Answer, signal: AbortSignal): Promise<SessionStatus> {
    return this.#answering.receive(answer, async (take) =>
      this.#holding(async () => {
        this.#guard();
        await take();
        if (this.#fresh) await this.#resumed("answer");
        return this.#goOn(signal);
      }),
    );
  }

  /** Goes on where rules that came since answer what the session waits for. */
  async goOnByRules(signal: AbortSignal): Promise<SessionStatus> {
    return this.#holding(async () => {
      if (this.view.status !== "waiting" || !(await this.#answering.byRules()))
        return this.view.status;
      this.#guard();
      if (this.#fresh) await this.#resumed("answer");
      return this.#goOn(signal);
    });
  }

  /** Records an answer and does no more: who resumes the session goes on with it. Throws as `answer`. */
  async leave(answer: Answer): Promise<void> {
    await this.#answering.receive(answer, async (take) => this.#holding(take));
  }

  /**
   * Records an answer while the session runs on in this object, beside the wait; the run picks it
   * up by itself. Resolves with false, and does nothing, when it is not being run.
   */
  async answerWhileRunning(answer: Answer): Promise<boolean> {
    if (!this.#driven) return false;
    await this.#answering.receive(answer, async (take) => take());
    return true;
  }

  /** Ends the session for good. What is on record stays. Throws `session.ended`. */
  async cancel(by: Identity): Promise<SessionStatus> {
    return this.#holding(async () => {
      const { status } = this.view;
      if (status !== "running" && status !== "waiting") {
        throw new CairnError(
          "session.ended",
          `Session ${this.id} is ${status}; only one that has not ended can be cancelled.`,
        );
      }
      await this.#ended({ status: "cancelled", output: "", failure: null, by });
      return this.view.status;
    });
  }

  /** Proposes what the session changed to the user's folder. Throws `apply.nothing`. */
  async apply(signal: AbortSignal): Promise<SessionStatus> {
    return this.#beside("apply", signal, () => {
      const { tree, baseTree } = this.view;
      if (tree !== baseTree) return;
      throw new CairnError("apply.nothing", `Session ${this.id} changed no files.`);
    });
  }

  /** Proposes to take back the newest that was written and still stands. Throws `apply.nothing`. */
  async undo(signal: AbortSignal): Promise<SessionStatus> {
    return this.#beside("undo", signal, () => {
      if (standing(this.#records).length > 0) return;
      throw new CairnError(
        "apply.nothing",
        `Session ${this.id} has applied nothing to your folder that could be taken back.`,
      );
    });
  }

  /** What is asked of a session that has ended; `check` throws when there is nothing to do. */
  async #beside(
    reason: "apply" | "undo",
    signal: AbortSignal,
    check: () => void,
  ): Promise<SessionStatus> {
    return this.#holding(async () => {
      const { status } = this.view;
      if (status === "running" || status === "waiting") {
        throw new CairnError(
          "session.busy",
          status === "waiting"
            ? `Session ${this.id} waits for an answer. Answer that first.`
            : `Session ${this.id} has not ended. Resume it or let it end first.`,
        );
      }
      check();
      this.#guard();
      await this.#resumed(reason);
      return this.#goOn(signal);
    });
  }

  /** What was asked for beside the flow and has no end yet comes first. */
  async #goOn(signal: AbortSignal): Promise<SessionStatus> {
    const asked = pendingRequest(this.#records);
    return asked === null ? this.#drive(signal) : this.#driveAsked(asked, signal);
  }

  async #drive(signal: AbortSignal): Promise<SessionStatus> {
    const definition = this.#guard();
    const { spec } = this.view;
    return this.#toItsEnd(signal, isOfFlow, async (flow) => {
      this.#workspace.begin(this.#fresh, hadShell(this.#records));
      this.#fresh = false;
      const [session, workspace] = [this.id, this.#workspace];
      const own = { flow, session, spec, workspace, activeMs: () => this.#activeMs(), signal };
      const context = flowContext(this.#parts, own);
      await useSkills(context, this.#parts.skills ?? null);
      const remarks = await useDevContainer(context, this.#parts.devContainer ?? null);
      const result = await definition.run({ ...context, remarks }, spec.flow?.input ?? null);
      const output = typeof result === "string" ? result : JSON.stringify(result, null, 2);
      return typeof result === "string" ? { output } : { output, result };
    });
  }

  async #driveAsked(asked: Asked, signal: AbortSignal): Promise<SessionStatus> {
    const { id } = asked;
    const owns = (other: string): boolean => other === id || other.startsWith(`${id}/`);
    return this.#toItsEnd(signal, owns, async (flow) => {
      const before = this.#records.filter((record) => !("step" in record && owns(record.step)));
      return { output: await runAsked(asked, { ...this.#parts, flow, view: this.view, before }) };
    });
  }

  #activeMs(): number {
    return activeMs(this.#records, this.#parts.world.now());
  }

  async #flow(signal: AbortSignal, owns: (id: string) => boolean): Promise<Flow> {
    const { spec } = this.view;
    const { driver, world, model, audit, redactor } = this.#parts;
    const source = await sourceOf(driver, this.id, spec);
    return new Flow(
      new FlowRun({
        session: this.id,
        world,
        audit,
        signal,
        append: async (body) => this.#append(body),
        redactor,
        history: this.#records,
        owns,
        strategy: spec.profile.strategy,
        // What is asked of a session beside its flow is asked by somebody who is there.
        unattended: spec.profile.unattended && owns === isOfFlow,
        recall: async (key) => driver.recall(key),
        model: { name: spec.model.name, model },
        ...(source === null ? {} : { source }),
      }),
    );
  }

  /** Runs the flow until it ends or nothing that it waits for has been answered meanwhile. */
  async #toItsEnd(
    signal: AbortSignal,
    owns: (id: string) => boolean,
    work: (flow: Flow) => Promise<{ readonly output: string; readonly result?: JsonValue }>,
  ): Promise<SessionStatus> {
    try {
      for (;;) {
        const flow = await this.#flow(signal, owns);
        this.#driven = true;
        try {
          await this.#ended({ status: "completed", failure: null, ...(await work(flow)) });
          break;
        } catch (error) {
          if (!(error instanceof Parked)) throw error;
          await this.#answering.settled();
          const news = error.waits.some((wait) => isAnswered(this.#records, wait));
          // From here on an answer goes on with the session by itself.
          this.#driven = news;
          if (!news) return await this.#parked(error.waits);
        } finally {
          flow.end();
          this.#driven = false;
        }
      }
    } catch (error) {
      if (signal.aborted) return this.view.status;
      if (leavesAsItIs(error)) throw error;
      await this.#ended({ status: "failed", output: "", failure: failureOf(error) });
    }
    return this.view.status;
  }

  /** The newest record says how a session stands: a list reads no more of it. */
  async #parked(waits: readonly string[]): Promise<"waiting"> {
    const last = this.#records.at(-1)?.kind;
    if (last === "wait.opened" || last === "session.parked") return "waiting";
    await this.#append({ kind: "session.parked", at: this.#parts.world.now(), waits: [...waits] });
    return "waiting";
  }

  async #ended(end: Parameters<typeof plainEnd>[0]): Promise<void> {
    const { world, redactor } = this.#parts;
    await this.#audit.ended(end.status, end.by ?? null);
    const denied = denials(this.#records).length;
    const plain = plainEnd(end, redactor);
    await this.#append({ kind: "session.ended", at: world.now(), denied, ...plain });
  }

  /** Throws as `guardedFlow`. */
  #guard(): FlowDefinition {
    return guardedFlow(this.id, this.view.spec, this.#parts);
  }

  async #resumed(reason: ResumeReason): Promise<void> {
    await this.#audit.resumed(reason);
    const newShell = this.#fresh && hadShell(this.#records);
    await this.#append({
      kind: "session.resumed",
      at: this.#parts.world.now(),
      reason,
      newShell,
    });
  }

  /** Claims, catches up with what others wrote since, and gives back however it ends. */
  async #holding<Result>(work: () => Promise<Result>): Promise<Result> {
    const { driver } = this.#parts;
    this.#lease ??= await driver.claim(this.id);
    try {
      const missed = await driver.read(this.id, this.#records.length);
      if (missed.length > 0) {
        this.#records.push(...missed);
        this.#fresh = true;
      }
      return await work();
    } finally {
      await this.#answering.settled();
      const lease = this.#lease;
      this.#lease = null;
      await driver.release(lease);
    }
  }

  /** On disk first, then in memory, then on screen. */
  async #append(body: RecordBody): Promise<void> {
    if (this.#lease === null) throw new Error("a record was written outside a held session");
    const record = await this.#parts.driver.append(this.#lease, body);
    this.#records.push(record);
    this.#parts.onRecord(record);
  }
}
