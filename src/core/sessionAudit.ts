import { failureOf } from "./failure.ts";
import type { AuditEntry, AuditLog } from "./ports.ts";
import type { Identity, ResumeReason, SessionSpec, SessionStatus, SkillsInfo } from "./records.ts";
import type { OpenWait } from "./replay.ts";
import { answerInWords, type Answer } from "./waitAnswer.ts";

const nothing = { step: null, operation: null, digest: null, by: null, outcome: null };

/** What the audit log is told of one session. Where it throws, `audit.unwritable`, the act must not happen. */
export class SessionAudit {
  readonly #log: AuditLog;
  readonly #session: string;

  constructor(log: AuditLog, session: string) {
    this.#log = log;
    this.#session = session;
  }

  async started({ goal, replayOf, profileDigest, skills }: SessionSpec): Promise<void> {
    const from = replayOf === null ? "" : ` from session ${replayOf}`;
    const digest = profileDigest ?? null;
    await Promise.all([
      this.#write({ kind: "session", digest, what: `started${from}: ${goal}` }),
      ...(skills === null ? [] : [this.#madeWith(skills)]),
    ]);
  }

  async resumed(reason: ResumeReason): Promise<void> {
    await this.#write({ kind: "session", what: `goes on: ${reason}` });
  }

  /** Stops nothing: that a session ends is no effect, and it must be able to. */
  async ended(status: SessionStatus, by: Identity | null): Promise<void> {
    await this.#attempt({ kind: "session", by, what: "ended", outcome: status });
  }

  async answered({ wait, digest, question }: OpenWait, given: Answer): Promise<void> {
    const outcome = answerInWords(given);
    await this.#write({
      kind: "answered",
      step: wait,
      digest,
      by: given.by,
      what: question,
      outcome,
    });
  }

  /** Stops nothing: the answer does not count, whether that is on record or not. */
  async refused({ wait, digest, by }: Answer, why: unknown): Promise<void> {
    const { code, message } = failureOf(why);
    await this.#attempt({
      kind: "refused",
      step: wait,
      digest,
      by,
      what: message,
      outcome: code,
    });
  }

  async #madeWith({ source, commit, digest }: SkillsInfo): Promise<void> {
    const at = commit === null ? "" : ` at ${commit}`;
    await this.#write({ kind: "skills", digest, what: `made with the skills of ${source}${at}` });
  }

  async #attempt(entry: Told): Promise<void> {
    try {
      await this.#write(entry);
    } catch {
      // The next thing that is done has to be on record, and is refused then.
    }
  }

  async #write(entry: Told): Promise<void> {
    await this.#log.write({ ...nothing, ...entry, session: this.#session });
  }
}

type Told = Pick<AuditEntry, "kind" | "what"> & Partial<Omit<AuditEntry, "session">>;
