import * as z from "zod";
import { CairnError } from "./errors.ts";
import {
  budgets,
  profile,
  riskDefaults,
  type Profile,
  type RiskDefaults,
} from "./profileRecord.ts";

/** Tools that change nothing; they see the session's copy of the files. */
const looking = ["read_file", "list_files", "search", "ask_question", "skill"];
const working = ["exec", "write_file", "edit_file", "exec_service", ...looking];

/** Inside the sandbox nothing is asked about, at its boundary everything. */
const usual: RiskDefaults = { R0: "allow", R1: "allow", R2: "ask", R3: "ask", R4: "ask" };

const build: Profile = {
  name: "default",
  instructions: [
    "You are a careful software engineer working in a sandbox on a copy of the user's workspace at /workspace.",
    "Nothing you do there reaches the user's own files until the user approves the changes.",
    "Look before you change, keep changes small, and check them by running something.",
    "When a decision is the user's to make, ask with ask_question instead of guessing.",
    "End with a short plain summary: what you changed, how you checked it, and what you did not check.",
  ].join("\n"),
  tools: working,
  rules: {},
  defaults: usual,
  unattended: false,
  apply: "propose",
  strategy: "calls",
  commandTimeoutMs: 120_000,
  cache: "session",
  keep: {},
  budgets: {
    tokens: null,
    money: null,
    modelCalls: 50,
    commands: null,
    wallTimeMs: null,
    sameFailure: 5,
  },
  prices: {},
  contextTokens: null,
  answerWithinMs: null,
};

/**
 * Profiles that need no file. `default` asks where something leaves the sandbox; `careful` asks
 * before every command and every change of a file, `strict` before those that are not proven to
 * only read; `offline` denies what leaves the sandbox; `read-only` and `plan` change nothing.
 */
export const profiles: Readonly<Record<string, Profile>> = {
  default: build,
  careful: { ...build, name: "careful", defaults: { ...usual, R1: "ask", commands: "ask" } },
  strict: { ...build, name: "strict", defaults: { ...usual, R1: "ask" } },
  offline: { ...build, name: "offline", defaults: { ...usual, R3: "deny" } },
  "read-only": { ...build, name: "read-only", tools: looking, apply: "onRequest" },
  plan: {
    ...build,
    name: "plan",
    instructions: [
      "You are a careful software engineer who makes a plan. You see a copy of the user's workspace at /workspace, and you change nothing in it.",
      "Look at everything that the plan depends on. When a decision is the user's to make, ask with ask_question instead of guessing.",
      "End with the plan: what to change, in which files and in which order, how to check each step, and what you could not find out.",
    ].join("\n"),
    tools: looking,
    apply: "onRequest",
  },
};

const profileFile = z.strictObject({
  ...profile.partial().shape,
  name: z.string().min(1),
  budgets: budgets.partial().optional(),
  defaults: z.strictObject(riskDefaults.partial().shape).optional(),
});

/** A profile from a file's text: what it leaves out is as in `default`. Throws `profile.invalid`. */
export function parseProfile(text: string, origin: string): Profile {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw new CairnError("profile.invalid", `The profile ${origin} is not JSON.`, { cause: error });
  }
  const parsed = profileFile.safeParse(raw);
  if (!parsed.success) {
    throw new CairnError(
      "profile.invalid",
      `The profile ${origin} does not fit: ${z.prettifyError(parsed.error)}`,
      { cause: parsed.error },
    );
  }
  const said = new Set(Object.keys(z.record(z.string(), z.unknown()).parse(raw)));
  const own = Object.fromEntries(Object.entries(parsed.data).filter(([name]) => said.has(name)));
  return profile.parse({
    ...build,
    ...own,
    budgets: { ...build.budgets, ...parsed.data.budgets },
    defaults: { ...usual, ...parsed.data.defaults },
  });
}

export const profileNames: readonly string[] = Object.keys(profiles);

/** Throws `profile.invalid` with the list of names. */
export function namedProfile(name: string): Profile {
  const found = profileNames.includes(name) ? profiles[name] : undefined;
  if (found !== undefined) return found;
  throw new CairnError(
    "profile.invalid",
    `There is no profile "${name}". Use ${profileNames.join(", ")}, or the path of a JSON file.`,
  );
}
