import { parseArgs } from "node:util";
import * as z from "zod";
import { options, type OptionName } from "./options.ts";
import { usageError } from "./usageError.ts";
import { everywhere, verbs, type Verb } from "./verbs.ts";

/** One of a few words, and a sentence with all of them when it is another. */
function oneOf<const Words extends readonly string[]>(...words: Words) {
  return z.enum(words, {
    error: ({ input }) => `is one of ${words.join(", ")}; not "${String(input)}"`,
  });
}

const many = z.array(z.string()).default([]);

const values = z.object({
  workspace: z.string().default("."),
  json: z.boolean().default(false),
  postgres: z.string().optional(),
  queue: z.boolean().default(false),
  concurrency: z.coerce
    .number("is a whole number above 0")
    .int("is a whole number above 0")
    .positive("is a whole number above 0")
    .optional(),
  goal: many,
  demo: z.boolean().default(false),
  flow: z.string().optional(),
  input: z.string().optional(),
  profile: z.string().default("default"),
  "model-url": z
    .url("is an address like https://api.openai.com/v1")
    .default("https://api.openai.com/v1"),
  model: z.string().optional(),
  sandbox: oneOf("auto", "docker", "bubblewrap", "embedded").default("auto"),
  runtime: z.string().optional(),
  gpus: z
    .union([z.literal("all"), z.coerce.number().int().positive()], {
      error: "is a whole number above 0, or all",
    })
    .optional(),
  "dev-container": oneOf("auto", "off").default("auto"),
  skills: z.string().optional(),
  exclude: many,
  include: many,
  sizes: z.boolean().default(false),
  strategy: oneOf("calls", "turn").optional(),
  "granular-checkpoints": z.boolean().default(false),
  "no-granular-checkpoints": z.boolean().default(false),
  cache: oneOf("session", "workspace", "off").optional(),
  budget: many,
  deadline: z.string().optional(),
  yes: z.boolean().default(false),
  unattended: z.boolean().default(false),
  "api-key-file": z.string().optional(),
  image: z.string().default("cairn-sandbox"),
  at: z.string().optional(),
  override: many,
  skip: many,
  "on-miss": oneOf("fail", "error", "run").default("fail"),
  out: z.string().optional(),
  audit: z.boolean().default(false),
  session: z.string().optional(),
  "audit-older-than": z.string().optional(),
  "older-than": z.string().optional(),
  "max-size": z.string().optional(),
});

export type Values = z.infer<typeof values>;

export interface Arguments {
  readonly verb: Verb;
  readonly rest: readonly string[];
  readonly values: Values;
}

/** The command line, checked. Throws `usage.invalid` with one sentence. */
export function parseArguments(argv: readonly string[]): Arguments | "help" {
  const raw = split(argv);
  const [word, ...rest] = raw.positionals;
  if (word === undefined || word === "help" || raw.values.help === true) return "help";
  const verb = verbOf(word);
  refuseStrangers(verb, raw.values);
  const checked = values.safeParse(raw.values);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw usageError(`--${String(issue?.path[0])} ${issue?.message ?? "is not understood"}.`);
  }
  const wanted: readonly string[] = verbs[verb].args;
  const needed = wanted.filter((name) => !name.startsWith("["));
  if (rest.length < needed.length || rest.length > wanted.length) {
    throw usageError(`Use: cairn ${[verb, ...wanted].join(" ")}`);
  }
  const { postgres, queue } = checked.data;
  if (postgres === undefined && (queue || verb === "worker")) {
    throw usageError(`${queue ? "--queue" : "cairn worker"} needs --postgres URL.`);
  }
  return { verb, rest, values: checked.data };
}

function verbOf(word: string): Verb {
  if (isVerb(word)) return word;
  throw usageError(`There is no command "${word}". Commands: ${Object.keys(verbs).join(", ")}.`);
}

function isVerb(word: string): word is Verb {
  return Object.hasOwn(verbs, word);
}

/** An option that a command does nothing with is a mistake, not decoration. */
function refuseStrangers(verb: Verb, given: Readonly<Record<string, unknown>>): void {
  const taken: readonly OptionName[] = [...verbs[verb].options, ...everywhere];
  const stranger = Object.keys(given).find((name) => taken.every((other) => other !== name));
  if (stranger === undefined) return;
  const names = taken.map((name) => `--${name}`).join(", ");
  throw usageError(`cairn ${verb} has no option --${stranger}. It takes ${names}.`);
}

function split(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw usageError(`${reason} See cairn --help.`, error);
  }
}
