import type { ActionPlace } from "../../src/core/action.ts";
import type { JsonValue, RecordBody } from "../../src/core/records.ts";
import { noBudgets } from "../../src/core/profileRecord.ts";

/** A session's first record, as small as it may be. */
export function startRecord(goal = "a goal"): RecordBody {
  return {
    kind: "session.started",
    at: 1,
    spec: {
      goal,
      profile: {
        name: "default",
        instructions: "",
        tools: [],
        rules: {},
        unattended: false,
        apply: "propose",
        strategy: "calls",
        commandTimeoutMs: 1000,
        cache: "session",
        keep: {},
        budgets: noBudgets,
        prices: {},
        contextTokens: null,
        answerWithinMs: null,
      },
      model: { name: "m", url: "u", demo: false },
      sandbox: { backend: "embedded", image: null, digest: "d", limits: "" },
      skills: null,
      workspace: "/w",
      replayOf: null,
      version: "0",
    },
  };
}

/** Where a call of the session above would run. */
export const anyPlace: ActionPlace = {
  sandbox: "d",
  cwd: "/workspace",
  env: null,
  network: [],
  secrets: [],
  stdin: null,
  timeoutMs: 1000,
};

export function noteRecord(at: number): RecordBody {
  return { kind: "session.resumed", at, reason: "resume", newShell: false };
}

type StepCompleted = Extract<RecordBody, { kind: "step.completed" }>;

/** A step with an outcome; `more` says how it came to it. */
export function stepRecord(
  output: JsonValue,
  more: Partial<Pick<StepCompleted, "at" | "key" | "via" | "cache">> = {},
): StepCompleted {
  return {
    kind: "step.completed",
    at: 2,
    step: "step/a",
    key: "k",
    stepKind: "step",
    name: "a",
    inputs: { args: "x" },
    output,
    durationMs: 1,
    via: "run",
    ...more,
  };
}
