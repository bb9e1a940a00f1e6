import { budgetName, type BudgetName } from "../core/waitSubject.ts";
import { noBudgets, type Budgets } from "../core/profileRecord.ts";
import { parseDuration } from "./parseUnit.ts";
import { usageError } from "./usageError.ts";

/** `NAME=LIMIT` over what the profile has; `none` alone lifts all of that first. Throws `usage.invalid`. */
export function parseBudgets(given: readonly string[], profile: Budgets): Budgets {
  const named = given.filter((text) => text !== "none");
  const base = named.length === given.length ? profile : noBudgets;
  return { ...base, ...Object.fromEntries(named.map(parseBudget)) };
}

function parseBudget(text: string): readonly [keyof Budgets, number | null] {
  const [, word = "", limit = ""] = /^([^=]*)=([\s\S]*)$/.exec(text) ?? [];
  const name = budgetName.safeParse(word);
  if (!name.success) {
    const names = budgetName.options.join(", ");
    throw usageError(`--budget takes NAME=LIMIT with one of ${names}, or none; not "${text}".`);
  }
  const field = name.data === "wallTime" ? "wallTimeMs" : name.data;
  return [field, limitOf(name.data, limit)];
}

function limitOf(name: BudgetName, text: string): number | null {
  if (text === "none") return null;
  if (name === "wallTime") return parseDuration("--budget wallTime", text);
  const isMoney = name === "money";
  const figure = (isMoney ? /^\d+(\.\d+)?$/ : /^\d+$/).test(text) ? Number(text) : 0;
  if (figure > 0 && (isMoney || Number.isSafeInteger(figure))) return figure;
  const wanted = isMoney ? "dollars, like 2.5" : "a whole number above zero";
  throw usageError(`--budget ${name} takes ${wanted}, or none; not "${text}".`);
}
