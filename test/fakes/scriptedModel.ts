import { CairnError } from "../../src/core/errors.ts";
import type { Model, ModelRequest } from "../../src/core/ports.ts";
import type { ModelReply } from "../../src/core/records.ts";

/** Gives the replies in order, and throws the errors among them. Remembers what it was asked. */
export class ScriptedModel implements Model {
  readonly requests: ModelRequest[] = [];
  readonly #replies: readonly (ModelReply | CairnError)[];

  constructor(replies: readonly (ModelReply | CairnError)[]) {
    this.#replies = replies;
  }

  get calls(): number {
    return this.requests.length;
  }

  async reply(request: ModelRequest, signal: AbortSignal): Promise<ModelReply> {
    if (signal.aborted)
      throw new CairnError("cancelled", "The request to the model was cancelled.");
    const next = this.#replies[this.requests.length];
    this.requests.push(structuredClone(request));
    if (next === undefined) {
      throw new Error(`The script has ${this.#replies.length} replies; one more was asked for.`);
    }
    if (next instanceof CairnError) throw next;
    return structuredClone(next);
  }
}
