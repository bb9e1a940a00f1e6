import * as z from "zod";
import { action } from "./action.ts";
import { readyRule, sandboxProxyRule } from "./proxyRule.ts";
import { sandboxInfo } from "./sandboxInfo.ts";
import { toldRules } from "./toldRules.ts";

/**
 * What the store keeps is what the panel shows: one vocabulary, no translator. A record is the
 * checkpoint, the event and the view model. Adding an optional field is a compatible change;
 * renaming or removing one is not.
 */
export const jsonValue = z.json();
export type JsonValue = z.infer<typeof jsonValue>;

/** A call as the model wrote it. `args` is the model's own text and may not even be JSON. */
export const toolCall = z.object({ id: z.string(), tool: z.string(), args: z.string() });
export type ToolCall = z.infer<typeof toolCall>;

/** Tokens as the provider counted them. */
export const usage = z.object({
  inputTokens: z.number(),
  outputTokens: z.number(),
  cachedTokens: z.number(),
});
export type Usage = z.infer<typeof usage>;

export const modelReply = z.object({
  text: z.string(),
  toolCalls: z.array(toolCall),
  finishReason: z.enum(["stop", "toolCalls", "length", "contentFilter"]),
  /** Null when the provider reported none. */
  usage: z.nullable(usage),
});
export type ModelReply = z.infer<typeof modelReply>;

/** A path that a tree does not have, with the reason. */
export const leftOut = z.object({ path: z.string(), reason: z.string() });
export type LeftOut = z.infer<typeof leftOut>;

/** What a tool gave back: `text` is all the model sees, `data` is for people and programs. */
export const toolOutput = z.object({
  text: z.string(),
  ok: z.boolean(),
  /** Any JSON. Being written as JSON is its check; another one costs ten times all the rest. */
  data: z.exactOptional(z.custom<JsonValue>()),
  /** Digest of the workspace tree that the call left, when it could change files. */
  tree: z.exactOptional(z.string()),
  /** What lies in the workspace, but is not in that tree. Never silent. */
  leftOut: z.exactOptional(z.array(leftOut)),
});
export type ToolOutput = z.infer<typeof toolOutput>;

/** Every yes or no that the operator gives. */
export const decision = z.object({
  approved: z.boolean(),
  note: z.string(),
  /**
   * A yes for all that is alike, too: in this session, or always in this folder. `ready`: always in
   * this folder, by the ready rule that was shown. Absent: once.
   */
  grant: z.exactOptional(z.enum(["session", "always", "ready"])),
  /** The arguments as the operator changed them; absent when they are as they were asked about. */
  args: z.exactOptional(jsonValue),
});
export type Decision = z.infer<typeof decision>;

/** A file as it lies somewhere: an approval that is bound to it is bound to these bytes. */
export const fileState = z.object({ digest: z.string(), bytes: z.number(), exec: z.boolean() });
export type FileState = z.infer<typeof fileState>;

/** Three states of a file that the user changed since it was written; null is no file. */
export const contested = z.object({
  /** What was written, what lies in the folder instead, and what would replace that. */
  written: z.nullable(fileState),
  yours: z.nullable(fileState),
  theirs: z.nullable(fileState),
});
export type Contested = z.infer<typeof contested>;

/** One file that differs between two trees; `diff` is a unified diff, or null for a binary file. */
export const fileChange = z.object({
  path: z.string(),
  change: z.enum(["added", "modified", "deleted"]),
  diff: z.nullable(z.string()),
  binary: z.boolean(),
  /** Why the file cannot be applied, or null. */
  conflict: z.nullable(z.string()),
  /** What runs or obeys this file without asking; it has an approval of its own. Absent is nothing. */
  guard: z.exactOptional(z.string()),
  /** What it changes of the rules that hold in the folder; it is approved as such. Absent for other files. */
  rules: z.exactOptional(toldRules),
  /** On a conflict that an approval of its own may overrule: `change` and `diff` are then what a yes does to the user's file. */
  contested: z.exactOptional(contested),
});
export type FileChange = z.infer<typeof fileChange>;

export const budgetName = z.enum([
  "tokens",
  "money",
  "modelCalls",
  "commands",
  "wallTime",
  "sameFailure",
]);
export type BudgetName = z.infer<typeof budgetName>;

/** The exact thing that an approval is about. The card is rendered from it, its digest is bound to the answer. */
export const waitSubject = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("tool"),
    tool: z.string(),
    args: jsonValue,
    /** One line that says what will run, made by the tool from the arguments. */
    what: z.string(),
    /** Where it runs, in words. */
    where: z.string(),
    /** What the model said beside the call. Labelled as its words wherever it is shown. */
    reason: z.string(),
    /** Exactly what is decided on; what starts after a yes is compared with it. */
    action: z.exactOptional(action),
    /** The rule that asks, as a sentence; null where the profile's default for its risk does. */
    rule: z.exactOptional(z.nullable(z.string())),
    /** How what it changes can be taken back, as a sentence. */
    undo: z.exactOptional(z.string()),
    /** In what the session's shell differs from a clean one; empty when it does not. */
    shell: z.exactOptional(z.string()),
    /** What else has to be known before a yes, as a sentence: what it runs that is not shown here. */
    note: z.exactOptional(z.string()),
  }),
  z.object({
    kind: z.literal("question"),
    question: z.string(),
    /** Empty for free text. */
    choices: z.array(z.string()),
  }),
  z.object({
    kind: z.literal("apply"),
    base: z.string(),
    tree: z.string(),
    changes: z.array(fileChange),
  }),
  z.object({
    kind: z.literal("inDoubt"),
    what: z.string(),
    startedAt: z.number(),
    operation: z.string(),
    /** What was sent, as it was sent. */
    sent: z.exactOptional(jsonValue),
    /** What can be seen of the outcome from here, in words; null when nothing can. */
    observed: z.exactOptional(z.nullable(z.string())),
    /** What it looks like from here; absent when nothing can be told. */
    seen: z.exactOptional(z.enum(["happened", "partly", "absent"])),
    /** The result to record if it happened, when it could be read off; else absent. */
    result: z.exactOptional(jsonValue),
  }),
  z.object({
    kind: z.literal("budget"),
    budget: budgetName,
    limit: z.number(),
    used: z.number(),
    /** What a yes adds to the limit. */
    add: z.number(),
    /** What comes next if it goes on. */
    next: z.string(),
  }),
  z.object({
    kind: z.literal("image"),
    image: z.string(),
    identity: z.string(),
    file: z.string(),
    /** The Dockerfile as it will be built, null for an image that exists. */
    dockerfile: z.nullable(z.string()),
    /** What goes into the build beside it, in words; empty for an image that exists. */
    context: z.string(),
    env: z.record(z.string(), z.string()),
    commands: z.array(z.object({ name: z.string(), command: z.string() })),
    refused: z.array(z.string()),
  }),
  z.object({
    kind: z.literal("egress"),
    method: z.string(),
    url: z.string(),
    /** Who gets it, as the proxy resolved it from the address. */
    host: z.string(),
    /** The rule that asks, as a sentence; null where the profile's default does. */
    rule: z.nullable(z.string()),
    /** The command that ran when it was asked for. */
    command: z.exactOptional(z.string()),
    /** Exactly what is decided on: one for each path that was asked for. */
    actions: z.exactOptional(z.array(action)),
    /** What a yes would let through, and no more. */
    proxy: z.exactOptional(sandboxProxyRule),
    /** A rule that the user's or the folder's own configuration names, and that covers it, too. */
    ready: z.exactOptional(readyRule),
  }),
  z.object({
    kind: z.literal("skillUpdate"),
    source: z.string(),
    /** What is in use now; null for the first time. */
    from: z.nullable(z.string()),
    to: z.string(),
    files: z.array(fileChange),
  }),
  z.object({
    kind: z.literal("rule"),
    /** What the rule would do, as a sentence; one a line where there are more. */
    sentence: z.string(),
    scope: z.string(),
    /** Who or what proposes it. */
    from: z.string(),
    /** What may become worse by it, as a sentence. */
    risk: z.exactOptional(z.string()),
    /** The file that would be written, and from which tree to which. */
    change: z.exactOptional(fileChange),
    base: z.exactOptional(z.string()),
    tree: z.exactOptional(z.string()),
    /** Rules that it adds, as data. */
    adds: z.exactOptional(z.array(jsonValue)),
  }),
  z.object({
    kind: z.literal("restoreConflict"),
    path: z.string(),
    /** What lies in the folder, and what would replace it, in words. */
    yours: z.string(),
    theirs: z.string(),
    /** From the one to the other; null for a binary file. */
    diff: z.nullable(z.string()),
    /** The same, exactly. */
    contested: z.exactOptional(contested),
    /** How a yes can be taken back, as a sentence. */
    undo: z.exactOptional(z.string()),
  }),
  z.object({
    kind: z.literal("form"),
    /** What the flow shows beside its question; null when it shows nothing. */
    about: jsonValue,
    /** JSON Schema (draft 7) of the answer; null where the kind of wait says it all. */
    schema: jsonValue,
  }),
]);
export type WaitSubject = z.infer<typeof waitSubject>;

/** `approval` and `budget` are answered with a decision, `gate` with a yes; `schema` with what its schema says. */
export const waitKind = z.union([
  z.enum(["approval", "gate", "boolean", "text", "schema", "budget", "inDoubt"]),
  // What `text` was called in stores of version 1.
  z.literal("question").transform(() => "text" as const),
]);
export type WaitKind = z.infer<typeof waitKind>;

/** Who answered, on which surface. */
export const identity = z.object({
  user: z.string(),
  surface: z.enum(["panel", "quickPick", "cli", "policy", "replay", "deadline"]),
});
export type Identity = z.infer<typeof identity>;

export const strategy = z.enum(["calls", "turn"]);
export type Strategy = z.infer<typeof strategy>;

/**
 * Whether an outcome may be used again. Within one attempt it always is: that is durability.
 * `session`: also by a retry and by replays. `workspace`: also by other sessions, for work without
 * effect and with the same key. `off`: a retry or a replay does it again.
 */
export const cacheMode = z.enum(["session", "workspace", "off"]);
export type CacheMode = z.infer<typeof cacheMode>;

/** Limits that a session stops and asks at; null is no limit. */
export const budgets = z.object({
  /** Input and output tokens as the provider counts them. */
  tokens: z.nullable(z.int().positive()),
  /** US dollars, by the price of the model. */
  money: z.nullable(z.number().positive()),
  modelCalls: z.nullable(z.int().positive()),
  /** Calls of tools that change the workspace or the world. */
  commands: z.nullable(z.int().positive()),
  wallTimeMs: z.nullable(z.int().positive()),
  /** How often the same call may fail the same way in a row. */
  sameFailure: z.nullable(z.int().positive()),
});
export type Budgets = z.infer<typeof budgets>;

export const noBudgets: Budgets = {
  tokens: null,
  money: null,
  modelCalls: null,
  commands: null,
  wallTimeMs: null,
  sameFailure: null,
};

/** US dollars for a million tokens. */
export const price = z.object({
  input: z.number().nonnegative(),
  cachedInput: z.number().nonnegative(),
  output: z.number().nonnegative(),
});
export type Price = z.infer<typeof price>;

/** How a tool's calls are kept, where it differs from the profile. */
export const keeping = z.object({
  /** Off: not a checkpoint. It runs again whenever the flow does; only for tools without effect. */
  checkpoint: z.exactOptional(z.boolean()),
  cache: z.exactOptional(cacheMode),
});
export type Keeping = z.infer<typeof keeping>;

export const verdict = z.enum(["allow", "ask", "deny"]);
export type Verdict = z.infer<typeof verdict>;

/** What becomes of an action that no rule is about, by its risk. */
export const riskDefaults = z.object({
  R0: verdict,
  R1: verdict,
  R2: verdict,
  R3: verdict,
  R4: verdict,
  /** Of every command, whatever it was read to do; absent: by its risk, too. */
  commands: z.exactOptional(verdict),
});
export type RiskDefaults = z.infer<typeof riskDefaults>;

/** What a profile says of one typed service. */
export const serviceGrant = z.strictObject({
  /** In place of the default for its risk, but where that denies. */
  decision: z.exactOptional(verdict),
  /** Its actions that there are; all when left out. */
  actions: z.exactOptional(z.array(z.string()).min(1)),
  /** Arguments that have to have one of these values, by name. */
  args: z.exactOptional(z.record(z.string(), z.array(jsonValue).min(1))),
  /** Most calls in any 60 seconds. */
  callsPerMinute: z.exactOptional(z.int().positive()),
  /** Where it lies; a service without an address of its own needs none. */
  url: z.exactOptional(z.url({ protocol: /^https?$/ })),
});
export type ServiceGrant = z.infer<typeof serviceGrant>;

/** What an agent may do. Resolved once, recorded whole, so that a session never changes under way. */
export const profile = z.object({
  name: z.string(),
  instructions: z.string(),
  /** Tools the model is told of. A tool that is not listed does not exist for it. */
  tools: z.array(z.string()),
  /** Verdict by tool: rules of the session. */
  rules: z.record(z.string(), verdict),
  /** For what no rule is about. Absent in sessions from before there were any: all of it asks. */
  defaults: z.exactOptional(riskDefaults),
  /** Asks become denials: nobody is there to answer. */
  unattended: z.boolean(),
  /** `propose` ends a session that changed files with the question whether to apply them. */
  apply: z.enum(["propose", "onRequest"]),
  strategy,
  commandTimeoutMs: z.int().positive(),
  cache: cacheMode.default("session"),
  /** By tool. */
  keep: z.record(z.string(), keeping).default({}),
  budgets: budgets.default(noBudgets),
  /** By model; what is not listed is looked up in Cairn's own small table. */
  prices: z.record(z.string(), price).default({}),
  /** Tokens that a request and its answer may have together; null for what is known of the model. */
  contextTokens: z.nullable(z.int().positive()).default(null),
  /** How long a question or an approval stays open; then it is denied. Null is for ever. */
  answerWithinMs: z.nullable(z.int().positive()).default(null),
  /** What the sandbox may reach through the proxy. Absent and empty: nothing that nobody was asked about. */
  proxy: z.exactOptional(z.array(sandboxProxyRule)),
  /** Typed services that the model is told of, by name; absent and empty: none. */
  allowedServices: z.exactOptional(z.record(z.string(), serviceGrant)),
});
export type Profile = z.infer<typeof profile>;

export const skillsInfo = z.object({
  source: z.string(),
  /** The commit for a git source, null for a local folder. */
  commit: z.nullable(z.string()),
  /** Over every file's path and bytes. */
  digest: z.string(),
  /** Set when the source gave others before, in this folder: what was approved, and what changed since. */
  update: z.exactOptional(z.object({ from: z.string(), changes: z.array(fileChange) })),
});
export type SkillsInfo = z.infer<typeof skillsInfo>;

export const treeInfo = z.object({
  /** Digest of the tree's manifest. */
  tree: z.string(),
  files: z.number(),
  bytes: z.number(),
  /** Paths that were left out, each with its reason. Never silent. */
  leftOut: z.array(leftOut),
});
export type TreeInfo = z.infer<typeof treeInfo>;

export const override = z.object({
  /** A step's id: that one invocation. A step's name, or the name of a wait: all of them. */
  select: z.string(),
  /** `answer` is for waits only, and waits take nothing else. */
  field: z.enum(["input", "output", "model", "answer"]),
  value: jsonValue,
});
export type Override = z.infer<typeof override>;

/** What differs in a session that is made from the records of another one. */
export const derivation = z.object({
  /** A replay serves recorded results of effects after the point; a fork is a life of its own there. */
  mode: z.enum(["replay", "fork"]),
  /** The newest record of the source that counts: what it does later is its own. */
  upTo: z.number(),
  /** Id of the first step that runs again; null to serve all that is recorded. */
  at: z.nullable(z.string()),
  overrides: z.array(override),
  /** Ids of steps whose recorded outcome is kept although it would run again. */
  skip: z.array(z.string()),
  /** When an effect was not recorded with these arguments: stop, tell the model, or do it. */
  onMiss: z.enum(["fail", "error", "run"]),
});
export type Derivation = z.infer<typeof derivation>;

/** Which flow a session runs. `version` is raised when a change moves, adds or removes steps. */
export const flowRef = z.object({ name: z.string(), version: z.number(), input: jsonValue });
export type FlowRef = z.infer<typeof flowRef>;

/** Everything a session needs to be run again by another process. */
export const sessionSpec = z.object({
  goal: z.string(),
  profile,
  /** `identity` is the endpoint and the model's name, never a key. `demo` runs without either. */
  model: z.object({ name: z.string(), url: z.string(), demo: z.boolean() }),
  sandbox: sandboxInfo,
  skills: z.nullable(skillsInfo),
  /** The user's folder, as an absolute path. */
  workspace: z.string(),
  /** What is left out of the copy of the folder, as lines of a `.gitignore`; absent is nothing. */
  exclude: z.exactOptional(z.array(z.string())),
  /** Files that may hold secrets and are copied all the same; absent is nothing. */
  include: z.exactOptional(z.array(z.string())),
  /** Set on a replay and on a fork: the session whose records are served. */
  replayOf: z.nullable(z.string()),
  /** How it differs from that session; absent for a plain replay. */
  derivation: z.exactOptional(derivation),
  /** Over the profile as it was understood: a session does not go on with another meaning of it. */
  profileDigest: z.exactOptional(z.string()),
  /** Absent in stores of version 1, which had one flow only. */
  flow: z.exactOptional(flowRef),
  /** Version of Cairn, for people. What may go on is for the flow's version to say. */
  version: z.string(),
});
export type SessionSpec = z.infer<typeof sessionSpec>;

export const stepKind = z.enum([
  "model",
  "tool",
  "workspace",
  "apply",
  "step",
  "turn",
  "artifact",
  "log",
  "value",
  "compaction",
]);
export type StepKind = z.infer<typeof stepKind>;

const failure = z.object({
  code: z.string(),
  message: z.string(),
  origin: z.enum(["user", "runtime", "backend", "divergence"]),
});
export type Failure = z.infer<typeof failure>;

const step = z.string();
const key = z.string();
const stepHead = {
  step,
  key,
  stepKind,
  name: z.string(),
  /** The components of the key: what each input was, as a digest or a short value. */
  inputs: z.record(z.string(), z.string()),
};

/** Why a step ran or was served: what was looked up for it, and what of its key differed. */
export const lookup = z.object({
  /** Whose record was found at this place, or with this key; null when there was none. */
  session: z.nullable(z.string()),
  verdict: z.enum(["served", "differs", "absent", "selected", "cacheOff", "skipped"]),
  /** Names of the inputs that differ from the record that was found. */
  changed: z.array(z.string()),
});
export type Lookup = z.infer<typeof lookup>;

export const resumeReason = z.enum(["retry", "resume", "answer", "apply", "undo"]);
export type ResumeReason = z.infer<typeof resumeReason>;

/** What a writer hands to the store, which adds `seq`. `at` is milliseconds since the epoch, for people; order is `seq`. */
export const recordBody = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("session.started"), at: z.number(), spec: sessionSpec }),
  z.object({
    kind: z.literal("session.resumed"),
    at: z.number(),
    reason: resumeReason,
    /** True when an earlier run's shell is gone: cwd, variables and jobs with it. */
    newShell: z.boolean(),
  }),
  z.object({
    /** Nothing runs any more until one of these waits is answered. */
    kind: z.literal("session.parked"),
    at: z.number(),
    waits: z.array(z.string()),
  }),
  z.object({
    kind: z.literal("step.started"),
    at: z.number(),
    ...stepHead,
    /** What will happen, in one line, so that a crash can be asked about. */
    what: z.string(),
    effect: z.enum(["workspace", "external"]),
    /** Same across crashes, new in a fork: hand it to a service as its idempotency key. */
    operation: z.string(),
    /** What is sent, as evidence for a crash. */
    sent: z.exactOptional(jsonValue),
    /** What it is about to do beyond the workspace: the second record of an effect that began in it. */
    leaves: z.exactOptional(z.string()),
  }),
  z.object({
    kind: z.literal("step.completed"),
    at: z.number(),
    ...stepHead,
    output: jsonValue,
    durationMs: z.number(),
    /** `replay`: from the session that this one was made from; `cache`: from any session of the workspace. */
    via: z.enum(["run", "replay", "cache", "override"]),
    lookup: z.exactOptional(lookup),
    /** Absent is `session`. */
    cache: z.exactOptional(cacheMode),
    /** False for work that is no checkpoint: kept to be seen, never served. */
    checkpoint: z.exactOptional(z.literal(false)),
  }),
  z.object({
    kind: z.literal("step.failed"),
    at: z.number(),
    ...stepHead,
    attempt: z.number(),
    failure,
    willRetry: z.boolean(),
  }),
  z.object({
    kind: z.literal("wait.opened"),
    at: z.number(),
    wait: z.string(),
    waitKind,
    question: z.string(),
    subject: waitSubject,
    /** Over kind, question and subject: an answer is bound to it. */
    digest: z.string(),
    /** How long it stays open; without one, for ever. */
    deadlineMs: z.exactOptional(z.number()),
    /** Where the deadline is counted from, on the machine that opened it and until its next boot. */
    since: z.exactOptional(z.object({ boot: z.string(), ms: z.number() })),
  }),
  z.object({
    kind: z.literal("wait.answered"),
    at: z.number(),
    wait: z.string(),
    /** Null when it ended without an answer. */
    answer: jsonValue,
    digest: z.string(),
    by: identity,
    /** How it ended where nobody answered: this one wait was aborted, or its time was over. */
    ended: z.exactOptional(z.enum(["aborted", "expired"])),
  }),
  z.object({
    kind: z.literal("session.ended"),
    at: z.number(),
    status: z.enum(["completed", "failed", "cancelled"]),
    /** The model's last words for a completed session, else empty. */
    output: z.string(),
    failure: z.nullable(failure),
    /** How many actions policy denied; the CLI's exit code 4 comes from it. */
    denied: z.number(),
    /** What a flow of one's own returned; null included. */
    result: z.exactOptional(jsonValue),
    /** Who cancelled it. */
    by: z.exactOptional(identity),
  }),
]);
export type RecordBody = z.infer<typeof recordBody>;
export type RecordKind = RecordBody["kind"];

/** A record as the store gave it back: `seq` counts from 1 within its session, without gaps. */
export type SessionRecord = RecordBody & { readonly session: string; readonly seq: number };

export const status = z.enum(["running", "waiting", "completed", "failed", "cancelled"]);
export type SessionStatus = z.infer<typeof status>;
