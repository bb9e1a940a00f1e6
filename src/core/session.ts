import * as z from "zod";
import { runApply, describeApply } from "./apply.ts";
import { CairnError } from "./errors.ts";
import { failureOf, Flow, Parked } from "./flow.ts";
import { profilePolicy } from "./policy.ts";
import type { DurableDriver, Lease, Model, SandboxHost, WorkspaceTrees, World } from "./ports.ts";
import {
  decision,
  toolOutput,
  type Identity,
  type JsonValue,
  type RecordBody,
  type SessionRecord,
  type SessionSpec,
  type SessionStatus,
} from "./records.ts";
import { viewOf, type OpenWait, type SessionView } from "./replay.ts";
import type { Tool } from "./tool.ts";
import { runTurns } from "./turn.ts";
import { Workspace } from "./workspace.ts";

export interface SessionParts {
  readonly driver: DurableDriver;
  readonly world: World;
  readonly model: Model;
  readonly tools: readonly Tool[];
  readonly trees: WorkspaceTrees;
  readonly sandbox: SandboxHost;
  /** Called after each record is on disk. The only event in the system. */
  readonly onRecord: (record: SessionRecord) => void;
}

export interface Answer {
  readonly wait: string;
  /** The digest of what was shown; null where the surface showed the newest record itself. */
  readonly digest: string | null;
  readonly value: JsonValue;
  readonly by: Identity;
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
  #lease: Lease | null;
  /** True when this object's shell and tree are not those of the newest record. */
  #fresh = true;

  private constructor(
    id: string,
    parts: SessionParts,
    state: { readonly records: SessionRecord[]; readonly lease: Lease | null },
  ) {
    this.id = id;
    this.#parts = parts;
    this.#records = state.records;
    this.#lease = state.lease;
    const source = viewOf(state.records).spec.workspace;
    this.#workspace = new Workspace({ trees: parts.trees, sandbox: parts.sandbox, source });
  }

  /** Makes the session's first record. Nothing runs before `run`. */
  static async create(parts: SessionParts, id: string, spec: SessionSpec): Promise<Session> {
    const first: RecordBody = { kind: "session.started", at: parts.world.now(), spec };
    const lease = await parts.driver.create(id, first);
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
    return viewOf(this.#records);
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

  /** Goes on after an interruption. Throws `session.ended` when there is nothing to go on with. */
  async resume(signal: AbortSignal): Promise<SessionStatus> {
    return this.#holding(async () => {
      const { status } = this.view;
      if (status === "waiting") return status;
      if (status !== "running") {
        const hint = status === "failed" ? ` Use retry: it starts again from the failed step.` : "";
        throw new CairnError("session.ended", `Session ${this.id} is ${status}.${hint}`);
      }
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
      await this.#resumed("retry");
      return this.#drive(signal);
    });
  }

  /**
   * Records an answer and goes on. The first answer wins: throws `wait.answered` for a later one,
   * `wait.unknown`, and `wait.invalidAnswer` (the wait stays open).
   */
  async answer(answer: Answer, signal: AbortSignal): Promise<SessionStatus> {
    return this.#holding(async () => {
      const wait = this.#openWait(answer);
      await this.#append({
        kind: "wait.answered",
        at: this.#parts.world.now(),
        wait: wait.wait,
        answer: checkedAnswer(wait, answer.value),
        digest: wait.digest,
        by: answer.by,
      });
      if (this.#fresh) await this.#resumed("answer");
      return this.#goOn(signal);
    });
  }

  /** Proposes what the session changed to the user's folder. Throws `apply.nothing`. */
  async apply(signal: AbortSignal): Promise<SessionStatus> {
    return this.#holding(async () => {
      const { status, tree, baseTree } = this.view;
      if (status === "running" || status === "waiting") {
        throw new CairnError(
          "session.busy",
          status === "waiting"
            ? `Session ${this.id} waits for an answer. Answer that first.`
            : `Session ${this.id} has not ended. Resume it or let it end first.`,
        );
      }
      if (tree === baseTree) {
        throw new CairnError("apply.nothing", `Session ${this.id} changed no files.`);
      }
      await this.#resumed("apply");
      return this.#goOn(signal);
    });
  }

  /** An apply that was asked for and has no end yet comes first; else the session's own flow. */
  async #goOn(signal: AbortSignal): Promise<SessionStatus> {
    let asked = 0;
    let pending = false;
    for (const record of this.#records) {
      if (record.kind === "session.ended") pending = false;
      if (record.kind !== "session.resumed" || record.reason !== "apply") continue;
      asked += 1;
      pending = true;
    }
    return pending ? this.#driveApply(`apply/${asked}`, signal) : this.#drive(signal);
  }

  async #drive(signal: AbortSignal): Promise<SessionStatus> {
    const { spec } = this.view;
    const { model, world, tools, trees } = this.#parts;
    const flow = await this.#flow(signal, spec);
    this.#workspace.begin(this.#fresh, this.#hadShell());
    this.#fresh = false;
    const known = tools.filter((tool) => spec.profile.tools.includes(tool.name));
    return this.#toItsEnd(signal, async () => {
      const result = await runTurns({
        flow,
        world,
        spec,
        model,
        tools: new Map(known.map((tool) => [tool.name, tool])),
        policy: profilePolicy(spec.profile),
        workspace: this.#workspace,
        signal,
      });
      const { base, tree } = this.#workspace;
      const propose = spec.profile.apply === "propose" && !spec.profile.unattended;
      const applied =
        propose && tree !== base
          ? await runApply({ flow, world, trees, base, tree }, "apply/proposed")
          : null;
      const note = applied === null ? "" : `\n\n${describeApply(applied)}`;
      return { output: result.text + note, denied: result.denied };
    });
  }

  async #driveApply(id: string, signal: AbortSignal): Promise<SessionStatus> {
    const { spec, baseTree: base, tree, ended } = this.view;
    const { world, trees } = this.#parts;
    const flow = await this.#flow(signal, spec);
    return this.#toItsEnd(signal, async () => {
      const applied = await runApply({ flow, world, trees, base, tree }, id);
      const output = applied === null ? "Nothing was applied." : describeApply(applied);
      return { output, denied: ended?.denied ?? 0 };
    });
  }

  async #flow(signal: AbortSignal, spec: SessionSpec): Promise<Flow> {
    const recording = spec.replayOf === null ? null : await this.#parts.driver.read(spec.replayOf);
    return new Flow({
      session: this.id,
      world: this.#parts.world,
      signal,
      append: async (body) => this.#append(body),
      history: this.#records,
      recording,
    });
  }

  async #toItsEnd(
    signal: AbortSignal,
    work: () => Promise<{ readonly output: string; readonly denied: number }>,
  ): Promise<SessionStatus> {
    try {
      const { output, denied } = await work();
      await this.#ended({ status: "completed", output, failure: null, denied });
    } catch (error) {
      if (error instanceof Parked) return "waiting";
      if (signal.aborted) return this.view.status;
      if (CairnError.is(error) && pauses.has(error.code)) throw error;
      await this.#ended({ status: "failed", output: "", failure: failureOf(error), denied: 0 });
    }
    return this.view.status;
  }

  async #ended(
    end: Pick<
      Extract<RecordBody, { kind: "session.ended" }>,
      "status" | "output" | "failure" | "denied"
    >,
  ): Promise<void> {
    await this.#append({ kind: "session.ended", at: this.#parts.world.now(), ...end });
  }

  async #resumed(reason: "retry" | "resume" | "answer" | "apply"): Promise<void> {
    const newShell = this.#fresh && this.#hadShell();
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

  #openWait(answer: Answer): OpenWait {
    const { openWaits, answered } = this.view;
    const wait = openWaits.find((open) => open.wait === answer.wait);
    if (wait === undefined) {
      const before = answered.find((given) => given.wait === answer.wait);
      if (before !== undefined) {
        throw new CairnError(
          "wait.answered",
          `This was answered already by ${before.by.user} (${before.by.surface}), and the first answer counts: ${answer.wait}.`,
        );
      }
      const names = openWaits.map((open) => open.wait).join(", ") || "none";
      throw new CairnError("wait.unknown", `There is no open wait ${answer.wait}. Open: ${names}.`);
    }
    if (answer.digest !== null && answer.digest !== wait.digest) {
      throw new CairnError(
        "wait.invalidAnswer",
        `What was shown for ${wait.wait} is not what it asks now. Look again and answer that.`,
      );
    }
    return wait;
  }

  #hadShell(): boolean {
    return this.#records.some(
      (record) =>
        record.kind === "step.completed" &&
        record.stepKind === "tool" &&
        toolOutput.parse(record.output).tree !== undefined,
    );
  }
}

/** Failures that leave the session as it is: nothing false is recorded, and it goes on later. */
const pauses = new Set(["session.lost", "store.unwritable", "store.corrupt"]);

function checkedAnswer(wait: OpenWait, value: JsonValue): JsonValue {
  const schema = wait.waitKind === "question" ? z.string().trim().min(1) : decision;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CairnError(
    "wait.invalidAnswer",
    `That is no answer to ${wait.wait}: ${z.prettifyError(parsed.error)}. It stays open.`,
  );
}
