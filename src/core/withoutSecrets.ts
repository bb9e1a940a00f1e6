import type { Redactor } from "./ports.ts";
import type { RecordBody, SessionSpec } from "./records.ts";

/** What a session is asked to do, without secrets: in all that people, files and other sessions say in it. */
export function plainSpec(spec: SessionSpec, redactor: Redactor): SessionSpec {
  const { goal, profile, flow, skills, derivation } = spec;
  const overrides = derivation?.overrides.map((each) => ({
    ...each,
    value: redactor.value(each.value),
  }));
  return {
    ...spec,
    goal: redactor.text(goal),
    profile: { ...profile, instructions: redactor.text(profile.instructions) },
    skills: skills === null ? null : { ...skills, source: redactor.text(skills.source) },
    ...(flow === undefined ? {} : { flow: { ...flow, input: redactor.value(flow.input) } }),
    ...(derivation === undefined
      ? {}
      : { derivation: { ...derivation, overrides: overrides ?? [] } }),
  };
}

type Ended = Omit<Extract<RecordBody, { kind: "session.ended" }>, "kind" | "at" | "denied">;

/** How a session ended, without secrets. */
export function plainEnd(end: Ended, redactor: Redactor): Ended {
  const { output, failure, result } = end;
  return {
    ...end,
    output: redactor.text(output),
    failure: failure === null ? null : { ...failure, message: redactor.text(failure.message) },
    ...(result === undefined ? {} : { result: redactor.value(result) }),
  };
}
