import { derive } from "./derivation.ts";
import { CairnError } from "./errors.ts";
import type { Lookup, SessionRecord } from "./records.ts";

type CompletedRecord = Extract<SessionRecord, { kind: "step.completed" }>;

/** Why a checkpoint was served or ran, and what its key is made of. */
export interface Explanation {
  readonly step: string;
  readonly name: string;
  readonly outcome: CompletedRecord["via"];
  /** One sentence for people. */
  readonly why: string;
  readonly key: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly value: string;
    readonly changed: boolean;
  }[];
}

/** Explains the newest record of a step. Takes what `derive` takes; throws `selector.unknown`, `selector.ambiguous`. */
export function explain(records: readonly SessionRecord[], selector: string): Explanation {
  const { at } = derive(records, {
    mode: "fork",
    at: selector,
    overrides: [],
    skip: [],
    onMiss: "fail",
  });
  const record = records.findLast(
    (one): one is CompletedRecord => one.kind === "step.completed" && one.step === at,
  );
  if (record === undefined) {
    throw new CairnError(
      "selector.unknown",
      `${selector} has no outcome yet, so nothing decided on it.`,
    );
  }
  return explainRecord(record);
}

export function explainRecord(record: CompletedRecord): Explanation {
  const { step, name, via, key, inputs, lookup } = record;
  const changed = new Set(lookup?.changed);
  return {
    step,
    name,
    outcome: via,
    why: reason(record),
    key,
    inputs: Object.entries(inputs).map(([input, value]) => ({
      name: input,
      value,
      changed: changed.has(input),
    })),
  };
}

function reason(record: CompletedRecord): string {
  const { via, lookup, checkpoint, cache } = record;
  if (checkpoint === false) return "It is no checkpoint, so it runs whenever the flow does.";
  const from = lookup?.session ?? "another session";
  switch (via) {
    case "override":
      return "Its output was given by hand; it did not run.";
    case "cache":
      return `Session ${from} of this workspace did the same work with the same key, so its result was served.`;
    case "replay":
      return served(lookup, from);
    case "run":
      return ran(lookup, from, cache === "off");
  }
}

function served(lookup: Lookup | undefined, from: string): string {
  switch (lookup?.verdict) {
    case "skipped":
      return `It was to be skipped, so the result of session ${from} stands whatever its inputs are.`;
    case "absent":
      return "The recording has no such call, and the replay says to go on with an error.";
    case "served":
    case "differs":
    case "selected":
    case "cacheOff":
    case undefined:
      return `Session ${from} recorded it with the same key, so its result was served.`;
  }
}

function ran(lookup: Lookup | undefined, from: string, off: boolean): string {
  switch (lookup?.verdict) {
    case "differs":
      return `It ran: ${list(lookup.changed)} differ from what session ${from} recorded.`;
    case "selected":
      return "It ran because the replay starts here.";
    case "cacheOff":
      return "It ran although a result was on record: its cache is off.";
    case "served":
    case "skipped":
    case "absent":
    case undefined:
      return off
        ? "It ran: nothing was on record, and nothing of it will be served, for its cache is off."
        : "It ran: there was no record to serve.";
  }
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "its kind or name" : names.join(", ");
}
