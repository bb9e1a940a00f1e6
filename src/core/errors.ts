/**
 * Everything that can go wrong by design, in one table. A code is stable once released;
 * the sentence beside it is written where the facts are known, and says what to do.
 */
export type CairnErrorCode =
  | "usage.invalid"
  | "node.old"
  | "workspace.none"
  | "workspace.untrusted"
  | "runtime.noSqlite"
  | "store.corrupt"
  | "store.unverified"
  | "store.unwritable"
  | "store.newer"
  | "store.unavailable"
  | "session.unknown"
  | "session.busy"
  | "session.lost"
  | "session.notFailed"
  | "session.ended"
  | "session.readOnly"
  | "session.notPaused"
  | "wait.unknown"
  | "wait.answered"
  | "wait.expired"
  | "wait.invalidAnswer"
  | "approval.mismatch"
  | "rules.invalid"
  | "rules.unwritable"
  | "wait.notShown"
  | "flow.unknown"
  | "flow.invalid"
  | "flow.outside"
  | "flow.nested"
  | "flow.duplicateStep"
  | "flow.diverged"
  | "flow.stopped"
  | "artifact.missing"
  | "artifact.ambiguous"
  | "selector.unknown"
  | "selector.ambiguous"
  | "override.invalid"
  | "replay.miss"
  | "budget.spent"
  | "budget.noPrice"
  | "bundle.invalid"
  | "profile.invalid"
  | "model.unauthorized"
  | "model.notFound"
  | "model.unreachable"
  | "model.rateLimited"
  | "model.unavailable"
  | "model.rejected"
  | "model.malformed"
  | "model.cut"
  | "model.noKey"
  | "sandbox.unavailable"
  | "sandbox.imageMissing"
  | "sandbox.lost"
  | "sandbox.policy"
  | "sandbox.devContainer"
  | "sandbox.imageRefused"
  | "proxy.unavailable"
  | "secret.missing"
  | "secret.invalid"
  | "service.unknown"
  | "service.invalid"
  | "service.unauthorized"
  | "service.notFound"
  | "service.rejected"
  | "service.rateLimited"
  | "service.timeout"
  | "service.unavailable"
  | "service.malformed"
  | "skills.refused"
  | "skills.unavailable"
  | "skills.unsafe"
  | "snapshot.unsafe"
  | "snapshot.missing"
  | "apply.readOnly"
  | "apply.conflict"
  | "apply.nothing"
  | "audit.unwritable"
  | "cancelled";

export interface CairnErrorOptions extends ErrorOptions {
  /** True when the same call may succeed if it is made again; only set where repeating is safe. */
  readonly retryable?: boolean;
  /** Facts for the log and for tests; never a secret. */
  readonly details?: Readonly<Record<string, string | number | boolean | null>>;
}

/** The one error class. Callers switch on `code`, never on message text. */
export class CairnError extends Error {
  override readonly name = "CairnError";
  readonly code: CairnErrorCode;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, string | number | boolean | null>>;

  constructor(code: CairnErrorCode, sentence: string, options: CairnErrorOptions = {}) {
    super(sentence, options);
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }

  static is(error: unknown, code?: CairnErrorCode): error is CairnError {
    return error instanceof CairnError && (code === undefined || error.code === code);
  }
}
