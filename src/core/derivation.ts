import { CairnError } from "./errors.ts";
import type { Derivation, JsonValue, Override, SessionRecord } from "./records.ts";
import { FlowMemory } from "./flowMemory.ts";

/** How a session is to be made from another one, as a person asks for it. */
export interface DerivationRequest {
  readonly mode: Derivation["mode"];
  /** Selectors: a step's id, the id of a tool call, or a name. */
  readonly at: string | null;
  readonly overrides: readonly Override[];
  readonly skip: readonly string[];
  readonly onMiss: Derivation["onMiss"];
}

export const plainReplay: DerivationRequest = {
  mode: "replay",
  at: null,
  overrides: [],
  skip: [],
  onMiss: "fail",
};

interface Candidate {
  readonly id: string;
  readonly name: string;
  readonly isWait: boolean;
}

/**
 * Resolves selectors against the records of the source. Throws `selector.unknown` and
 * `selector.ambiguous` with the list to choose from, `override.invalid`; nothing was made then.
 */
export function derive(records: readonly SessionRecord[], request: DerivationRequest): Derivation {
  const candidates = candidatesOf(records);
  const at = request.at === null ? null : select(candidates, request.at).id;
  const skip = request.skip.flatMap((selector) => {
    const found = family(candidates, selector);
    if (found.some(({ isWait }) => isWait)) {
      throw invalid(`${selector} is a wait, and a wait is not skipped. Override its answer.`);
    }
    return found.map(({ id }) => id);
  });
  for (const override of request.overrides) check(candidates, override, { at, skip });
  const { mode, onMiss, overrides } = request;
  const upTo = records.at(-1)?.seq ?? 0;
  return { mode, upTo, at, skip, onMiss, overrides: [...overrides] };
}

/** What an override says for a step or a wait, undefined when none does; one for this invocation goes before one for all. */
export function overridden(
  derivation: Derivation | null,
  target: { readonly id: string; readonly name: string },
  field: Override["field"],
): { readonly value: JsonValue } | undefined {
  const fitting = derivation?.overrides.filter(
    (override) => override.field === field && names(override.select, target),
  );
  const found = fitting?.find(({ select: selector }) => isInvocation(selector)) ?? fitting?.[0];
  return found === undefined ? undefined : { value: found.value };
}

function check(
  candidates: readonly Candidate[],
  override: Override,
  plan: { readonly at: string | null; readonly skip: readonly string[] },
): void {
  const found = family(candidates, override.select);
  for (const { id, isWait } of found) {
    if (isWait !== (override.field === "answer")) {
      throw invalid(
        isWait
          ? `${id} is a wait: only its answer can be overridden.`
          : `${id} is a step: override its input, its output or its model, not an answer.`,
      );
    }
    if (override.field === "output" && plan.skip.includes(id)) {
      throw invalid(`${id} is both skipped and overridden. Ask for one of the two.`);
    }
    if (override.field === "output" && plan.at === id) {
      throw invalid(`${id} is where the replay starts, and an overridden step does not run.`);
    }
  }
}

/** Exactly one: an id, the id of a call, or a name that only one has. */
function select(candidates: readonly Candidate[], selector: string): Candidate {
  const found = family(candidates, selector);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const list = found.map(({ id }) => (isInvocation(id) ? id : `${id}#1`)).join(", ");
  throw new CairnError(
    "selector.ambiguous",
    `${selector} names ${found.length} steps. Choose one: ${list}.`,
    { details: { candidates: list } },
  );
}

/** All steps that a selector names; a name never catches a longer one that starts like it. */
function family(candidates: readonly Candidate[], selector: string): readonly Candidate[] {
  const turn = candidates.find(({ id }) => id.startsWith(`${selector}/`));
  if (/^turn\/\d+$/.test(selector) && turn !== undefined) return [turn];
  const found = candidates.filter((candidate) => names(selector, candidate));
  if (found.length > 0) return found;
  const list = candidates.map(({ id }) => id).join(", ");
  throw new CairnError("selector.unknown", `There is no step ${selector}. There are: ${list}.`, {
    details: { candidates: list },
  });
}

/** `x#2` is the second x, `x#1` the first; `x` is all of them, and so are a name and the id of a call. */
function names(selector: string, { id, name }: { readonly id: string; readonly name: string }) {
  if (isInvocation(selector)) return id === selector.replace(/#1$/, "");
  const base = id.replace(/#\d+$/, "");
  return base === selector || callOf(base) === selector || name === selector;
}

function isInvocation(selector: string): boolean {
  return /#\d+$/.test(selector);
}

function candidatesOf(records: readonly SessionRecord[]): readonly Candidate[] {
  const { completed, starts, opened, reached } = new FlowMemory(records);
  return reached.flatMap((id): readonly Candidate[] => {
    const step = completed.get(id) ?? starts.get(id)?.at(-1);
    if (step !== undefined) {
      return step.stepKind === "turn" ? [] : [{ id, name: step.name, isWait: false }];
    }
    return opened.has(id) ? [{ id, name: id, isWait: true }] : [];
  });
}

/** The id of the model's call in a step's id, which is how a model and its provider name it. */
function callOf(id: string): string | undefined {
  return /\/tool\/([^/]+)$/.exec(id)?.[1];
}

function invalid(sentence: string): CairnError {
  return new CairnError("override.invalid", sentence);
}
