import { isDeepStrictEqual } from "node:util";
import type { SessionRecord } from "../../../src/core/records.ts";
import { stepInDoubt } from "./driveLedger.ts";
import { ledgerSteps } from "./ledgerFlow.ts";
import type { WorkLog } from "./workLog.ts";

/** How things stood at a death: what was on record, and what had really happened. */
export interface Death {
  readonly records: readonly SessionRecord[];
  readonly acknowledged: readonly string[];
  readonly done: readonly string[];
}

export function deathOf(records: readonly SessionRecord[], log: WorkLog): Death {
  const done = [...log.all("work"), ...log.all("effect")];
  return { records, acknowledged: log.all("record"), done };
}

/** What is wrong with the store that a death left. */
export function wrongAtDeath({ records, acknowledged, done }: Death): readonly string[] {
  const problems: string[] = [];
  const numbers = records.map(({ seq }) => seq);
  if (
    !isDeepStrictEqual(
      numbers,
      Array.from(numbers.keys(), (index) => index + 1),
    )
  ) {
    problems.push(`the records are not 1, 2, 3 ...: ${numbers.join()}`);
  }
  for (const line of acknowledged) {
    const [seq, kind] = line.split(" ");
    if (records[Number(seq) - 1]?.kind !== kind) problems.push(`the acknowledged ${line} is lost`);
  }
  const outcomes = completed(records);
  const intents = started(records);
  const effects = ledgerSteps.filter((step) => !/^(plan|sum|look)/u.test(step));
  for (const step of effects) {
    const known = outcomes.includes(step) || intents.includes(step);
    if (done.includes(step) && !known)
      problems.push(`${step} happened without an intent on record`);
  }
  return problems;
}

/** What is wrong with how the session went on after a death, up to its end or to the next one. */
export function wrongAfter(
  death: Death,
  records: readonly SessionRecord[],
  log: WorkLog,
): readonly string[] {
  const problems: string[] = [];
  if (!isDeepStrictEqual(records.slice(0, death.records.length), death.records)) {
    problems.push("what was on record changed");
  }
  const done = [...log.all("work"), ...log.all("effect")];
  const finished = new Set(completed(death.records));
  for (const step of finished) {
    if (times(done, step) > times(death.done, step)) problems.push(`${step} was done again`);
  }
  const since = records.slice(death.records.length);
  for (const step of started(death.records).filter((id) => !finished.has(id))) {
    const asked = records.some(
      (record) => record.kind === "wait.opened" && stepInDoubt(record.wait) === step,
    );
    const goesOn = [...started(since), ...completed(since)].includes(step);
    const repeated = times(done, step) > times(death.done, step);
    if (!asked && (goesOn || repeated)) problems.push(`${step} was not reported in doubt`);
  }
  return problems;
}

/** What is wrong with a session that came to its end, through however many deaths. */
export function wrongAtEnd(records: readonly SessionRecord[], log: WorkLog): readonly string[] {
  const problems: string[] = [];
  const last = records.at(-1);
  if (last?.kind !== "session.ended" || last.status !== "completed") {
    problems.push(`it ended as ${JSON.stringify(last)}`);
  }
  const outcomes = completed(records);
  for (const step of ledgerSteps) {
    if (times(outcomes, step) !== 1) problems.push(`${step} has ${times(outcomes, step)} outcomes`);
    const effects = times(log.all("effect"), step);
    const expected = /^(plan|sum|look)/u.test(step) ? 0 : 1;
    if (effects !== expected) problems.push(`${step} happened ${effects} times`);
  }
  return problems;
}

/** How often an effect was reported in doubt. */
export function doubts(records: readonly SessionRecord[]): number {
  return records.filter((record) => record.kind === "wait.opened" && record.waitKind === "inDoubt")
    .length;
}

function completed(records: readonly SessionRecord[]): readonly string[] {
  return records.flatMap((record) => (record.kind === "step.completed" ? [record.step] : []));
}

function started(records: readonly SessionRecord[]): readonly string[] {
  return records.flatMap((record) => (record.kind === "step.started" ? [record.step] : []));
}

function times(list: readonly string[], what: string): number {
  return list.filter((each) => each === what).length;
}
