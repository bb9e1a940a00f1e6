import { CairnError } from "./errors.ts";
import type { Flow } from "./flow.ts";
import { costOf } from "./modelFacts.ts";
import type { ToolOutput, Usage } from "./records.ts";
import type { BudgetName } from "./waitSubject.ts";
import type { Price, Profile } from "./profileRecord.ts";
import { budget } from "./waits.ts";

export interface SpendingParts {
  readonly flow: Flow;
  readonly profile: Profile;
  /** Null when it is not known; a budget of money is refused then, before the first call. */
  readonly price: Price | null;
  /** Milliseconds that the session was driven so far; waiting and interruptions left out. */
  readonly activeMs: () => number;
}

/**
 * Keeps a session within its budgets. A call is counted before it is made and stopped when the
 * limit is reached, so that at most one call goes over; then it waits for the operator to add the
 * limit once more.
 */
export class Spending {
  readonly #parts: SpendingParts;
  readonly #granted = new Map<BudgetName, number>();
  readonly #failures = new Map<string, number>();
  #tokens = 0;
  #money = 0;
  #modelCalls = 0;
  #commands = 0;

  constructor(parts: SpendingParts) {
    this.#parts = parts;
  }

  /** Before a request to the model that will be the step `id`. Throws `Parked`, `budget.spent`. */
  async beforeModel(id: string): Promise<void> {
    const next = "another request to the model";
    const isTimed = this.#parts.profile.budgets.wallTimeMs !== null;
    if (isTimed) await this.#within("wallTime", id, { used: this.#parts.activeMs(), next });
    await this.#within("tokens", id, { used: this.#tokens, next });
    await this.#within("money", id, { used: this.#money, next });
    await this.#within("modelCalls", id, { used: this.#modelCalls, next });
    this.#modelCalls += 1;
  }

  afterModel(usage: Usage | null): void {
    if (usage === null) return;
    this.#tokens += usage.inputTokens + usage.outputTokens;
    if (this.#parts.price !== null) this.#money += costOf(usage, this.#parts.price);
  }

  /** Before calls that change something; all of one answer are counted together. `id` is the first one's step. */
  async beforeCommands(id: string, count: number): Promise<void> {
    if (count === 0) return;
    const used = this.#commands + count - 1;
    await this.#within("commands", id, { used, next: `${count} more` });
    this.#commands += count;
  }

  /** Before one call. False when the operator does not want a failing call once more. */
  async beforeCall(id: string, call: string, what: string): Promise<boolean> {
    const limit = this.#parts.profile.budgets.sameFailure;
    const failed = this.#failures.get(call) ?? 0;
    if (limit === null || failed < limit) return true;
    if (this.#parts.profile.unattended) return false;
    const answer = await this.#parts.flow.wait(
      `${id}/budget/sameFailure`,
      budget(`This failed ${failed} times in the same way. Run it again?`, {
        budget: "sameFailure",
        limit,
        used: failed,
        add: limit,
        next: what,
      }),
    );
    const again = answer.ended === null && answer.value.approved;
    if (again) this.#failures.set(call, 0);
    return again;
  }

  afterCall(call: string, output: ToolOutput): void {
    if (output.ok) this.#failures.delete(call);
    else this.#failures.set(call, (this.#failures.get(call) ?? 0) + 1);
  }

  async #within(
    name: Exclude<BudgetName, "sameFailure">,
    id: string,
    at: { readonly used: number; readonly next: string },
  ): Promise<void> {
    const { flow, profile } = this.#parts;
    const limit = name === "wallTime" ? profile.budgets.wallTimeMs : profile.budgets[name];
    if (limit === null) return;
    const wait = `${id}/budget/${name}`;
    const allowed = limit + (this.#granted.get(name) ?? 0);
    // What was paid for is never asked about afterwards, unless it was asked about then.
    const passes = flow.isRecorded(id) || at.used < allowed;
    if (!flow.isOpened(wait) && passes) return;
    const figures = { budget: name, limit: allowed, used: at.used, add: limit, next: at.next };
    if (!profile.unattended) {
      const answer = await flow.wait(wait, budget(budgetQuestion(figures), figures));
      if (answer.ended === null && answer.value.approved) {
        this.#granted.set(name, (this.#granted.get(name) ?? 0) + limit);
        return;
      }
    }
    throw new CairnError(
      "budget.spent",
      `The session stopped at its budget: ${amount(name, at.used)} used of ${amount(name, allowed)}. Retry asks again.`,
    );
  }
}

function budgetQuestion(figures: {
  readonly budget: BudgetName;
  readonly limit: number;
  readonly used: number;
  readonly add: number;
}): string {
  const { budget: name, limit, used, add } = figures;
  return `${amount(name, used)} used of ${amount(name, limit)}. Add ${amount(name, add)} and go on?`;
}

/** A figure of a budget as people read it. */
export function amount(name: BudgetName, figure: number): string {
  switch (name) {
    case "tokens":
      return `${figure.toLocaleString("en")} tokens`;
    case "money":
      return `$${figure.toFixed(figure < 1 ? 4 : 2)}`;
    case "modelCalls":
      return `${figure} model calls`;
    case "commands":
      return `${figure} commands`;
    case "wallTime":
      return `${Math.round(figure / 1000)} s`;
    case "sameFailure":
      return `${figure} failures`;
  }
}
