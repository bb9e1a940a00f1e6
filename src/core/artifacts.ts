import { CairnError } from "./errors.ts";
import type { JsonValue, StepKind } from "./records.ts";

/** What a run has come by, by id. */
export interface Outcome {
  readonly kind: StepKind;
  readonly name: string;
  readonly output: JsonValue;
}

/** By id, else by the name of an artifact or of a checkpoint. Throws `artifact.missing`, `artifact.ambiguous`. */
export function findArtifact(outcomes: ReadonlyMap<string, Outcome>, name: string): JsonValue {
  const named = [...outcomes].filter(([, outcome]) => outcome.name === name);
  const exact = outcomes.get(name.replace(/#1$/, ""));
  if (exact !== undefined && (named.length < 2 || name.includes("#"))) return exact.output;
  const [only] = named;
  if (only !== undefined && named.length === 1) return only[1].output;
  if (named.length > 1) {
    const list = named.map(([id]) => (id.includes("#") ? id : `${id}#1`)).join(", ");
    throw new CairnError(
      "artifact.ambiguous",
      `${name} names ${named.length} things. Load one by its id: ${list}.`,
      { details: { candidates: list } },
    );
  }
  const list = [...outcomes.keys()].join(", ") || "nothing yet";
  throw new CairnError("artifact.missing", `There is nothing called ${name}. There is: ${list}.`, {
    details: { candidates: list },
  });
}
