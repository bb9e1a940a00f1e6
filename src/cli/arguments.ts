import { parseArgs } from "node:util";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";

/** Every option once, for the parser and for the help text. */
const options = {
  workspace: { type: "string", value: "DIR", help: "folder to work on (default: this one)" },
  goal: { type: "string", value: "TEXT", help: "what the agent should do" },
  demo: { type: "boolean", help: "the scripted demo session: no key, no network" },
  profile: { type: "string", value: "P", help: "default, careful, read-only, or a JSON file" },
  "model-url": { type: "string", value: "URL", help: "OpenAI-compatible endpoint" },
  model: { type: "string", value: "M", help: "the model's name" },
  "api-key-file": {
    type: "string",
    value: "FILE",
    help: "file with the key (else OPENAI_API_KEY)",
  },
  sandbox: { type: "string", value: "KIND", help: "auto, docker or embedded (default: auto)" },
  image: { type: "string", value: "NAME", help: "image for docker (default: cairn-sandbox)" },
  strategy: { type: "string", value: "S", help: "calls or turn (default: calls)" },
  skills: { type: "string", value: "SOURCE", help: "a folder, or git+URL#REF" },
  unattended: { type: "boolean", help: "questions become denials" },
  json: { type: "boolean", help: "one JSON record a line" },
  help: { type: "boolean", help: "this text" },
} as const;

const verbs = {
  run: { args: "--goal TEXT", help: "start a session and drive it until it ends or waits" },
  sessions: { args: "", help: "list the workspace's sessions" },
  show: { args: "ID", help: "print a session's records" },
  answer: { args: "ID WAIT VALUE", help: "answer what a session waits for, and go on" },
  resume: { args: "ID", help: "go on with an interrupted session" },
  retry: { args: "ID", help: "go on with a failed session from the failed step" },
  replay: { args: "ID", help: "run it again from its records: no model call, no command" },
  apply: { args: "ID", help: "propose the session's changes to your folder" },
} as const;

const verb = z.enum(["run", "sessions", "show", "answer", "resume", "retry", "replay", "apply"]);

const values = z.object({
  workspace: z.string().default("."),
  goal: z.string().optional(),
  demo: z.boolean().default(false),
  profile: z.string().default("default"),
  "model-url": z.url().default("https://api.openai.com/v1"),
  model: z.string().optional(),
  "api-key-file": z.string().optional(),
  sandbox: z.enum(["auto", "docker", "embedded"]).default("auto"),
  image: z.string().default("cairn-sandbox"),
  strategy: z.enum(["calls", "turn"]).optional(),
  skills: z.string().optional(),
  unattended: z.boolean().default(false),
  json: z.boolean().default(false),
  help: z.boolean().default(false),
});

export interface Arguments {
  readonly verb: z.infer<typeof verb>;
  readonly rest: readonly string[];
  readonly values: z.infer<typeof values>;
}

/** The command line, checked. Throws `usage.invalid` with one sentence. */
export function parseArguments(argv: readonly string[]): Arguments | "help" {
  const raw = split(argv);
  const [name, ...rest] = raw.positionals;
  if (name === undefined || name === "help" || raw.values["help"] === true) return "help";
  const known = verb.safeParse(name);
  if (!known.success) {
    throw usage(`There is no command "${name}". Commands: ${Object.keys(verbs).join(", ")}.`);
  }
  const checked = values.safeParse(raw.values);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw usage(`--${String(issue?.path[0])}: ${issue?.message ?? "not understood"}.`);
  }
  const wanted = verbs[known.data].args.split(" ").filter((word) => /^[A-Z]+$/.test(word));
  const needed = known.data === "run" ? [] : wanted;
  if (rest.length !== needed.length) {
    throw usage(`Use: cairn ${known.data} ${verbs[known.data].args}`.trim());
  }
  return { verb: known.data, rest, values: checked.data };
}

export function helpText(): string {
  const commands = Object.entries(verbs).map(
    ([name, { args, help }]) => `  ${`${name} ${args}`.padEnd(26)}${help}`,
  );
  const flags = Object.entries(options).map(([name, option]) => {
    const value = "value" in option ? ` ${option.value}` : "";
    return `  ${`--${name}${value}`.padEnd(26)}${option.help}`;
  });
  return [
    "cairn: sandboxed, durable agent sessions",
    "",
    "Commands",
    ...commands,
    "",
    "Options",
    ...flags,
    "",
    "Exit codes: 0 completed, 1 failed or interrupted, 2 wrong use, 3 waiting for an answer, 4 denied",
    "",
  ].join("\n");
}

function split(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CairnError("usage.invalid", `${reason} See cairn --help.`, { cause: error });
  }
}

function usage(sentence: string): CairnError {
  return new CairnError("usage.invalid", sentence);
}
