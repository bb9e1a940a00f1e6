import { existsSync, readFileSync, statSync } from "node:fs";
import { CairnError } from "../core/errors.ts";
import { namedProfile, parseProfile, profileNames } from "../core/profile.ts";
import type { JsonValue } from "../core/records.ts";
import type { Profile, Strategy } from "../core/profileRecord.ts";
import { demoGoal, type StartRequest } from "../core/sessions.ts";
import type { Values } from "./arguments.ts";
import { parseBudgets } from "./parseBudgets.ts";
import { parseJson } from "./parseOverride.ts";
import { parseDuration } from "./parseUnit.ts";
import { usageError } from "./usageError.ts";

/** What `cairn run` is to start. Throws `usage.invalid` and `profile.invalid`, and has made nothing then. */
export function startRequest(values: Values): StartRequest {
  const { demo, flow, sandbox, skills = null } = values;
  const strategy = strategyOf(values);
  const prompts = promptsOf(values);
  const model = modelOf(values);
  const profile = loadProfile(values.profile);
  return {
    prompts,
    ...(flow === undefined ? {} : { flow: { name: flow, input: inputOf(values.input) } }),
    profile: {
      ...profile,
      strategy: strategy ?? profile.strategy,
      cache: values.cache ?? profile.cache,
      budgets: parseBudgets(values.budget, profile.budgets),
      unattended: values.unattended || profile.unattended,
      answerWithinMs:
        values.deadline === undefined
          ? profile.answerWithinMs
          : parseDuration("--deadline", values.deadline),
    },
    model: demo ? { demo } : { demo, ...model },
    sandbox,
    devContainer: values["dev-container"],
    skills,
    exclude: values.exclude,
    include: values.include,
  };
}

function promptsOf({ goal, demo, flow, input }: Values): readonly string[] {
  if (flow === undefined && input !== undefined) {
    throw usageError("--input is for a flow of your own: name it with --flow NAME.");
  }
  if (flow !== undefined) {
    if (goal.length === 0) return [];
    throw usageError(`The flow ${flow} is given its input with --input JSON; leave out --goal.`);
  }
  if (goal.some((text) => text.trim() === "")) {
    throw usageError("--goal is empty. Say what to do in it.");
  }
  if (goal.length > 0) return goal;
  if (demo) return [demoGoal];
  throw usageError("Say what to do with --goal TEXT, or use --demo.");
}

function inputOf(text: string | undefined): JsonValue {
  if (text === undefined) return null;
  const parsed = parseJson(text);
  if (parsed !== null) return parsed.value;
  throw usageError(`--input takes JSON; a text goes in quotes, like '"text"'. Not: ${text}`);
}

function modelOf({ demo, model, "model-url": url }: Values) {
  if (model === undefined && !demo) {
    throw usageError("Name the model with --model M, or use --demo.");
  }
  if (model !== undefined && demo) {
    throw usageError("--demo brings its own model: leave out --model, or --demo.");
  }
  return { url, name: model ?? "" };
}

function strategyOf(values: Values): Strategy | undefined {
  const granular = values["granular-checkpoints"];
  const coarse = values["no-granular-checkpoints"];
  const older: Strategy | undefined = granular ? "calls" : coarse ? "turn" : undefined;
  const conflict =
    (granular && coarse) ||
    (older !== undefined && values.strategy !== undefined && values.strategy !== older);
  if (!conflict) return values.strategy ?? older;
  throw usageError(
    "--granular-checkpoints means --strategy calls, --no-granular-checkpoints means --strategy turn. Give only one of the three.",
  );
}

/**
 * A profile by its name, else a file. The name goes first: a file that somebody put into a folder
 * under the name of a profile is not what was meant.
 */
function loadProfile(name: string): Profile {
  const isFile = existsSync(name) && statSync(name).isFile();
  if (!isFile || profileNames.includes(name)) return namedProfile(name);
  try {
    return parseProfile(readFileSync(name, "utf8"), name);
  } catch (error) {
    if (CairnError.is(error)) throw error;
    throw new CairnError("profile.invalid", `The profile ${name} cannot be read.`, {
      cause: error,
    });
  }
}
