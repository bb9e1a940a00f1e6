import type { OptionName } from "./options.ts";

/** `look` only reads, `keep` cares for what is stored, `drive` sets a session going, `work` drives what others queued, `watch` asks processes and files and opens no store, `prove` tries a sandbox, `rule` shows and changes rules, `secret` does so with secrets. */
export type VerbPart = "look" | "keep" | "drive" | "work" | "watch" | "prove" | "rule" | "secret";

export interface VerbRules {
  readonly does: VerbPart;
  /** What it is given, in order; all of it is needed, but for a word in brackets. */
  readonly args: readonly string[];
  readonly options: readonly OptionName[];
  readonly help: string;
}

/** Options that every command takes. */
export const everywhere: readonly OptionName[] = ["workspace", "postgres", "json", "help"];

/** What a command that goes on with a session may need. */
const driving: readonly OptionName[] = ["api-key-file", "image"];

/** Every command once: for the parser and for the help text. */
export const verbs = {
  run: {
    does: "drive",
    args: [],
    options: [
      "goal",
      "demo",
      "flow",
      "input",
      "profile",
      "model-url",
      "model",
      "sandbox",
      "runtime",
      "gpus",
      "dev-container",
      "skills",
      "exclude",
      "include",
      "strategy",
      "granular-checkpoints",
      "no-granular-checkpoints",
      "cache",
      "budget",
      "deadline",
      "unattended",
      "queue",
      ...driving,
    ],
    help: "start a session and drive it until it ends or waits",
  },
  sessions: { does: "look", args: [], options: ["sizes"], help: "list the workspace's sessions" },
  show: { does: "look", args: ["ID"], options: [], help: "print a session's records" },
  answer: {
    does: "drive",
    args: ["ID", "WAIT", "VALUE"],
    options: ["queue", "yes", ...driving],
    help: "answer what a session waits for, and go on",
  },
  abort: {
    does: "drive",
    args: ["ID", "WAIT"],
    options: driving,
    help: "take one question back; the session goes on without an answer",
  },
  resume: {
    does: "drive",
    args: ["ID"],
    options: driving,
    help: "go on with an interrupted session",
  },
  retry: {
    does: "drive",
    args: ["ID"],
    options: driving,
    help: "go on with a failed session from the failed step",
  },
  cancel: {
    does: "keep",
    args: ["ID"],
    options: [],
    help: "end a session for good; its records stay",
  },
  apply: {
    does: "drive",
    args: ["ID"],
    options: driving,
    help: "propose the session's changes to your folder",
  },
  undo: {
    does: "drive",
    args: ["ID"],
    options: driving,
    help: "propose to take back what the session applied last",
  },
  replay: {
    does: "drive",
    args: ["ID"],
    options: ["at", "override", "skip", "on-miss", ...driving],
    help: "a new session from the records: effects are served, never repeated",
  },
  fork: {
    does: "drive",
    args: ["ID"],
    options: ["at", "override", ...driving],
    help: "a new session that goes its own way from a step on",
  },
  worker: {
    does: "work",
    args: [],
    options: ["concurrency", ...driving],
    help: "drive queued sessions, with any number of others (needs --postgres)",
  },
  status: {
    does: "watch",
    args: [],
    options: [],
    help: "sandboxes that run now, in any process: state, task, memory, CPU",
  },
  log: {
    does: "look",
    args: ["ID"],
    options: [],
    help: "what a session's sandbox was told and did",
  },
  diff: {
    does: "look",
    args: ["ID", "FROM", "TO"],
    options: [],
    help: "what changed between two steps; start and now are steps too",
  },
  explain: {
    does: "look",
    args: ["ID", "STEP"],
    options: [],
    help: "why a step ran or was served",
  },
  export: {
    does: "keep",
    args: ["ID"],
    options: ["out"],
    help: "write a session as one file, without what looks like a secret",
  },
  import: {
    does: "keep",
    args: ["FILE"],
    options: [],
    help: "store such a file as a session to be read",
  },
  verify: {
    does: "keep",
    args: ["[FILE]"],
    options: ["audit"],
    help: "check everything stored and the audit log, or such a file",
  },
  audit: {
    does: "watch",
    args: [],
    options: ["session"],
    help: "print the audit log: what was asked, answered and done, in all folders",
  },
  delete: {
    does: "keep",
    args: ["ID"],
    options: [],
    help: "delete a session: no byte of it is left",
  },
  prune: {
    does: "keep",
    args: [],
    options: ["older-than", "max-size", "audit-older-than"],
    help: "delete old sessions that have ended, or old files of the audit log",
  },
  sandbox: {
    does: "prove",
    args: ["check|rebuild"],
    options: ["sandbox", "image", "runtime", "gpus"],
    help: "check: start a sandbox and try each wall of it; rebuild: make the dev container anew",
  },
  rules: {
    does: "rule",
    args: ["[add|remove|revoke-all]", "[RULE|ID]"],
    options: [],
    help: "list what is allowed, asked about and denied by rules; add or remove one of yours; take back all that was granted",
  },
  secrets: {
    does: "secret",
    args: ["[list|set|remove]", "[NAME]"],
    options: [],
    help: "list the secrets of proxy rules and services by name; set one, from standard input or typed unseen; remove one",
  },
} as const satisfies Readonly<Record<string, VerbRules>>;

export type Verb = keyof typeof verbs;

export type VerbOf<Part extends VerbPart> = {
  [Name in Verb]: (typeof verbs)[Name]["does"] extends Part ? Name : never;
}[Verb];

export function isOf<Part extends VerbPart>(verb: Verb, part: Part): verb is VerbOf<Part> {
  return verbs[verb].does === part;
}
