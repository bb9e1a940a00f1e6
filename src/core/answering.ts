import { CairnError } from "./errors.ts";
import { checkedDecision } from "./checkedDecision.ts";
import { coveredWaits } from "./coveredWaits.ts";
import type { Permissions, Redactor, World } from "./ports.ts";
import type { Identity, RecordBody } from "./records.ts";
import type { Profile } from "./profileRecord.ts";
import type { Rule } from "./rule.ts";
import type { Tool } from "./tool.ts";
import type { SessionView } from "./replay.ts";
import type { SessionAudit } from "./sessionAudit.ts";
import { checkedAnswer, inTime, openWait, type Answer } from "./waitAnswer.ts";

export interface AnsweringParts {
  readonly session: string;
  readonly world: World;
  readonly tools: readonly Tool[];
  readonly permissions: (profile: Profile) => Permissions;
  readonly grant: (rules: readonly Rule[], by: Identity, session: string) => Promise<void>;
  readonly audit: SessionAudit;
  /** The session as it is now. */
  readonly view: () => SessionView;
  /** What is recorded passes it first. */
  readonly redactor: Redactor;
  readonly append: (body: RecordBody) => Promise<void>;
}

/** Takes the answers to a session's waits, one after the other, so that the first one wins. */
export class Answering {
  readonly #parts: AnsweringParts;
  #last: Promise<void> = Promise.resolve();

  constructor(parts: AnsweringParts) {
    this.#parts = parts;
  }

  /** Resolves when the answer is on record, in the audit log first. Throws `wait.*`. */
  async take(answer: Answer): Promise<void> {
    const taken = this.#takeAfter(this.#last, answer);
    this.#last = taken.catch(() => {});
    await taken;
  }

  /**
   * What an answer sets going. `take` is called in it; an answer that was not taken, whatever the
   * reason, is in the audit log as refused.
   */
  async receive<Result>(
    answer: Answer,
    work: (take: () => Promise<void>) => Promise<Result>,
  ): Promise<Result> {
    let taken = false;
    try {
      return await work(async () => {
        await this.take(answer);
        taken = true;
      });
    } catch (error) {
      if (!taken) await this.#parts.audit.refused(answer, error);
      throw error;
    }
  }

  /** Answers open approvals of what rules allow by now; resolves with whether there were any. */
  async byRules(): Promise<boolean> {
    const { world, audit, view, permissions, append } = this.#parts;
    const { openWaits, spec } = view();
    const covered = await coveredWaits(permissions(spec.profile), openWaits);
    for (const { open, answer, by } of covered) {
      const { wait, digest } = open;
      await audit.answered(open, { wait, digest, value: answer, by });
      await append({ kind: "wait.answered", at: world.now(), wait, digest, answer, by });
    }
    return covered.length > 0;
  }

  /** Resolves when no answer is being taken. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #takeAfter(before: Promise<void>, answer: Answer): Promise<void> {
    await before;
    const { world, audit, view, redactor, append } = this.#parts;
    const at = world.now();
    const wait = openWait(view(), answer);
    const given = inTime(wait, answer, world);
    if (given !== answer) {
      await audit.refused(
        answer,
        new CairnError("wait.expired", `It came after its time was over.`),
      );
    }
    const checked = checkedAnswer(wait, given);
    const granted = checkedDecision(this.#parts, wait, checked.answer, view().spec.workspace);
    await audit.answered(wait, given);
    // The session may have ended meanwhile.
    openWait(view(), answer);
    const { digest } = wait;
    const answerOnRecord = redactor.value(checked.answer);
    await append({
      kind: "wait.answered",
      at,
      wait: wait.wait,
      digest,
      by: given.by,
      ...checked,
      answer: answerOnRecord,
    });
    if (granted === null) return;
    await this.#parts.grant(granted.rules, given.by, this.#parts.session);
    await this.byRules();
  }
}
