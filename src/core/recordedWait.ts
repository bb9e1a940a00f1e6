import { canonical } from "./canonical.ts";
import { overridden } from "./derivation.ts";
import { CairnError } from "./errors.ts";
import type { Opened } from "./flowMemory.ts";
import type { FlowRun, Place } from "./flowRun.ts";
import type { Redactor, World } from "./ports.ts";
import type { Identity, JsonValue } from "./records.ts";
import { waitSubject } from "./waitSubject.ts";
import { answerInWords } from "./waitAnswer.ts";
import type { WaitAnswer, WaitSpec } from "./waits.ts";

/** Thrown to park the session at unanswered waits. Not an error; only the session catches it. */
export class Parked extends Error {
  override readonly name = "Parked";
  readonly waits: readonly string[];

  constructor(waits: readonly string[]) {
    super(`parked at ${waits.join(", ")}`);
    this.waits = waits;
  }
}

/** The digest that an answer is bound to: over exactly what is shown. */
export function waitDigest(
  world: World,
  spec: Pick<WaitSpec<JsonValue>, "kind" | "question" | "subject">,
): string {
  return world.digest(canonical([spec.kind, spec.question, spec.subject]));
}

type Shown = Pick<WaitSpec<JsonValue>, "kind" | "question" | "subject">;

/** What is shown and recorded, without secrets. Its digest is taken after that. */
function plainly({ kind, question, subject }: Shown, redactor: Redactor): Shown {
  const plain = redactor.value(subject);
  return {
    kind,
    question: redactor.text(question),
    subject: plain === subject ? subject : waitSubject.parse(plain),
  };
}

/** Where a wait stands: the run, the line of it, and the wait's id. */
export interface WaitPlace {
  readonly run: FlowRun;
  readonly scope: Place;
  readonly id: string;
}

/** The recorded answer; else opens the wait, unless it is open, and parks. */
export async function ask<Value extends JsonValue>(
  place: WaitPlace,
  spec: WaitSpec<Value>,
): Promise<WaitAnswer<Value>> {
  const { run, scope, id } = place;
  const { known, parts, rehearsal, derivation } = run;
  const shown = plainly(spec, parts.redactor);
  const digest = waitDigest(parts.world, shown);
  const opened = known.opened.get(id);
  const same =
    opened !== undefined &&
    (spec.changing === true ||
      opened.digest === digest ||
      // What is a secret may have become known since.
      waitDigest(parts.world, plainly(shownBy(opened), parts.redactor)) === digest);
  rehearsal.reached(id);
  if (opened !== undefined && !same && !scope.redone) {
    throw new CairnError(
      "flow.diverged",
      `${id} was recorded with another question or subject. It stopped before any effect; go back to the code that it was recorded with, or fork the session before that point.`,
      { details: { step: id, recorded: opened.digest, now: digest } },
    );
  }
  if (same) {
    const answered = known.answered.get(id);
    return answered === undefined ? unanswered(place, spec, digest) : given(spec, answered);
  }
  if (!scope.redone) await rehearsal.begin(id);
  const boot = parts.world.boot();
  const since = boot === null ? {} : { since: { boot: boot.id, ms: boot.ms } };
  const about = { step: id, operation: null, digest, what: spec.question };
  await run.audit({ kind: "asked", ...about, by: null, outcome: null });
  await run.append({
    kind: "wait.opened",
    wait: id,
    waitKind: shown.kind,
    question: shown.question,
    subject: shown.subject,
    digest,
    ...(spec.deadlineMs === undefined ? {} : { deadlineMs: spec.deadlineMs, ...since }),
  });
  const served = servedAnswer(place, digest, spec);
  if (derivation !== null && served === null) scope.tainted = true;
  if (served === null) return unanswered(place, spec, digest);
  const outcome = answerInWords({ value: served.answer, ...served });
  await run.audit({ kind: "answered", ...about, by: served.by, outcome });
  await run.append({ kind: "wait.answered", wait: id, digest, ...served });
  return given(spec, served);
}

function shownBy({ waitKind, question, subject }: Opened): Shown {
  return { kind: waitKind, question, subject };
}

/** Parks; where nobody is there the question ends at once, without an answer. */
async function unanswered<Value extends JsonValue>(
  { run, id }: WaitPlace,
  spec: WaitSpec<Value>,
  digest: string,
): Promise<WaitAnswer<Value>> {
  if (run.parts.unattended !== true) throw new Parked([id]);
  const by = { user: "nobody", surface: "policy" as const };
  const ended = { answer: null, ended: "aborted" as const, by };
  const outcome = answerInWords({ value: null, ...ended });
  const about = { step: id, operation: null, digest, what: spec.question };
  await run.audit({ kind: "answered", ...about, by, outcome });
  await run.append({ kind: "wait.answered", wait: id, digest, ...ended });
  return given(spec, ended);
}

/** A session made from another one takes its answers, where the same was asked; and says so. */
function servedAnswer({ run, scope, id }: WaitPlace, digest: string, spec: WaitSpec<JsonValue>) {
  const { derivation, source } = run;
  if (derivation === null || source === null) return null;
  const override = overridden(derivation, { id, name: id }, "answer");
  if (override !== undefined) {
    scope.tainted = true;
    const answer = spec.answer.parse(override.value);
    return { answer, by: { user: "override", surface: "replay" } satisfies Identity };
  }
  const answered = source.answered.get(id);
  if (answered === undefined || derivation.at === id) return null;
  const opened = source.opened.get(id);
  const same = opened !== undefined && spec.sameAs?.(opened.subject) === true;
  const asked = spec.changing === true || same || opened?.digest === digest;
  if (!asked || (derivation.mode === "fork" && scope.tainted)) return null;
  const { answer, ended, by } = answered;
  const user: Identity = { user: by.user, surface: "replay" };
  return { answer, by: user, ...(ended === undefined ? {} : { ended }) };
}

function given<Value extends JsonValue>(
  spec: WaitSpec<Value>,
  answered: {
    readonly answer: JsonValue;
    readonly by: Identity;
    readonly ended?: "aborted" | "expired";
  },
): WaitAnswer<Value> {
  const { by, ended, answer } = answered;
  if (ended !== undefined) return { ended, by };
  return { ended: null, value: spec.answer.parse(answer), by };
}
