import { CairnError } from "./errors.ts";
import type { Place } from "./flowRun.ts";

interface Use {
  times: number;
  scope: FlowScope;
}

/** One line of a flow: its main line, or a branch. Steps of one line follow one another. */
export class FlowScope implements Place {
  tainted = false;
  redone = false;
  readonly #names: Map<string, Use>;
  readonly #parent: FlowScope | null;
  #busy: string | null = null;
  #state: "open" | "ended" | "joined" = "open";

  constructor(parent: FlowScope | null = null) {
    this.#parent = parent;
    this.#names = parent === null ? new Map() : parent.#names;
    this.tainted = parent?.tainted ?? false;
    this.redone = parent?.redone ?? false;
  }

  /** Runs one thing of this line. Throws `flow.outside`, `flow.nested`. */
  async only<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    if (this.#state !== "open") {
      throw new CairnError(
        "flow.outside",
        `${name} was called after its flow had ended. Call it inside the flow function, and await it there.`,
      );
    }
    if (this.#busy !== null) {
      throw new CairnError(
        "flow.nested",
        `${name} was called while ${this.#busy} was running. Steps do not nest: call one after the other, or side by side with flow.parallel.`,
      );
    }
    this.#busy = name;
    try {
      return await work();
    } finally {
      this.#busy = null;
    }
  }

  /** The id of the next step of this name: the name, then `#2`, `#3`. Throws `flow.duplicateStep`. */
  unique(name: string): string {
    const use = this.#names.get(name);
    if (use === undefined) {
      this.#names.set(name, { times: 1, scope: this });
      return name;
    }
    if (use.scope !== this && !use.scope.#isBefore(this)) {
      throw new CairnError(
        "flow.duplicateStep",
        `Two branches of flow.parallel both have a step ${name}. Give each a name of its own.`,
      );
    }
    use.scope = this;
    use.times += 1;
    return `${name}#${use.times}`;
  }

  /** What `unique` will give next. */
  peek(name: string): string {
    const times = this.#names.get(name)?.times ?? 0;
    return times === 0 ? name : `${name}#${times + 1}`;
  }

  end(): void {
    this.#state = "ended";
  }

  /** Branches have come together again: what happened in one is behind all that follows. */
  join(branches: readonly FlowScope[]): void {
    for (const branch of branches) {
      branch.#state = "joined";
      this.inherit(branch);
    }
  }

  /** What happened there is behind all that follows here. */
  inherit(other: Place): void {
    this.tainted ||= other.tainted;
    this.redone ||= other.redone;
  }

  #isBefore(other: FlowScope): boolean {
    if (this.#state === "joined") return true;
    for (let scope = other.#parent; scope !== null; scope = scope.#parent) {
      if (scope === this) return true;
    }
    return false;
  }
}
