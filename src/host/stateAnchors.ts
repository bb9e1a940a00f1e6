import type { AuditAnchor, AuditAnchors } from "../core/audit.ts";

/** What of the editor's memory is used. */
interface State {
  keys(): readonly string[];
  get(name: string): unknown;
  update(name: string, value: unknown): PromiseLike<void>;
}

/**
 * Anchors of the audit log in the editor's own state: who cuts the log and its anchors beside it
 * has not cut these. They are signed, so they need no secret storage, which would ask for a keyring.
 */
export class StateAnchors implements AuditAnchors {
  readonly #state: State;
  readonly #prefix: string;

  /** `log` names the log: another state directory has another one. */
  constructor(state: State, log: string) {
    this.#state = state;
    this.#prefix = `audit.${log}.`;
  }

  async save(anchor: AuditAnchor): Promise<void> {
    await this.#state.update(this.#prefix + anchor.segment, anchor);
  }

  async load(): Promise<ReadonlyMap<string, unknown>> {
    const names = this.#state.keys().filter((name) => name.startsWith(this.#prefix));
    return new Map(names.map((name) => [name.slice(this.#prefix.length), this.#state.get(name)]));
  }

  async forget(segment: string): Promise<void> {
    await this.#state.update(this.#prefix + segment, undefined);
  }
}
