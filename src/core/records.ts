import * as z from "zod";

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

/** What a tool gave back: `text` is all the model sees, `data` is for people and programs. */
export const toolOutput = z.object({
  text: z.string(),
  ok: z.boolean(),
  data: z.exactOptional(jsonValue),
  /** Digest of the workspace tree that the call left, when it could change files. */
  tree: z.exactOptional(z.string()),
});
export type ToolOutput = z.infer<typeof toolOutput>;

/** Every yes or no that the operator gives. */
export const decision = z.object({ approved: z.boolean(), note: z.string() });
export type Decision = z.infer<typeof decision>;

/** One file that differs between two trees; `diff` is a unified diff, or null for a binary file. */
export const fileChange = z.object({
  path: z.string(),
  change: z.enum(["added", "modified", "deleted"]),
  diff: z.nullable(z.string()),
  binary: z.boolean(),
  /** Why the file cannot be applied, or null. */
  conflict: z.nullable(z.string()),
});
export type FileChange = z.infer<typeof fileChange>;

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
  }),
]);
export type WaitSubject = z.infer<typeof waitSubject>;

export const waitKind = z.enum(["approval", "question", "inDoubt"]);
export type WaitKind = z.infer<typeof waitKind>;

/** Who answered, on which surface. */
export const identity = z.object({
  user: z.string(),
  surface: z.enum(["panel", "quickPick", "cli", "policy", "replay"]),
});
export type Identity = z.infer<typeof identity>;

export const strategy = z.enum(["calls", "turn"]);
export type Strategy = z.infer<typeof strategy>;

export const verdict = z.enum(["allow", "ask", "deny"]);
export type Verdict = z.infer<typeof verdict>;

/** What an agent may do. Resolved once, recorded whole, so that a session never changes under way. */
export const profile = z.object({
  name: z.string(),
  instructions: z.string(),
  /** Tools the model is told of. A tool that is not listed does not exist for it. */
  tools: z.array(z.string()),
  /** Verdict by tool; a tool without one asks. */
  rules: z.record(z.string(), verdict),
  /** Asks become denials: nobody is there to answer. */
  unattended: z.boolean(),
  /** `propose` ends a session that changed files with the question whether to apply them. */
  apply: z.enum(["propose", "onRequest"]),
  strategy,
  maxTurns: z.int().positive(),
  commandTimeoutMs: z.int().positive(),
});
export type Profile = z.infer<typeof profile>;

export const sandboxInfo = z.object({
  backend: z.enum(["docker", "embedded"]),
  /** Image reference for people, null where there is none. */
  image: z.nullable(z.string()),
  /** Digest of what runs: the image's, or the version of the embedded shell. */
  digest: z.string(),
  /** One sentence on what this backend cannot do; empty when there is nothing to say. */
  limits: z.string(),
});
export type SandboxInfo = z.infer<typeof sandboxInfo>;

export const skillsInfo = z.object({
  source: z.string(),
  /** The commit for a git source, null for a local folder. */
  commit: z.nullable(z.string()),
  /** Over every file's path and bytes. */
  digest: z.string(),
});
export type SkillsInfo = z.infer<typeof skillsInfo>;

export const treeInfo = z.object({
  /** Digest of the tree's manifest. */
  tree: z.string(),
  files: z.number(),
  bytes: z.number(),
  /** Paths that were left out, each with its reason. Never silent. */
  leftOut: z.array(z.object({ path: z.string(), reason: z.string() })),
});
export type TreeInfo = z.infer<typeof treeInfo>;

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
  /** Set on a replay: the session whose records are served. */
  replayOf: z.nullable(z.string()),
  version: z.string(),
});
export type SessionSpec = z.infer<typeof sessionSpec>;

export const stepKind = z.enum(["model", "tool", "workspace", "apply"]);
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

/** What a writer hands to the store, which adds `seq`. `at` is milliseconds since the epoch, for people; order is `seq`. */
export const recordBody = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("session.started"), at: z.number(), spec: sessionSpec }),
  z.object({
    kind: z.literal("session.resumed"),
    at: z.number(),
    reason: z.enum(["retry", "resume", "answer", "apply"]),
    /** True when an earlier run's shell is gone: cwd, variables and jobs with it. */
    newShell: z.boolean(),
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
  }),
  z.object({
    kind: z.literal("step.completed"),
    at: z.number(),
    ...stepHead,
    output: jsonValue,
    durationMs: z.number(),
    /** `replay` when the output was served from another session's record. */
    via: z.enum(["run", "replay"]),
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
  }),
  z.object({
    kind: z.literal("wait.answered"),
    at: z.number(),
    wait: z.string(),
    answer: jsonValue,
    digest: z.string(),
    by: identity,
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
  }),
]);
export type RecordBody = z.infer<typeof recordBody>;
export type RecordKind = RecordBody["kind"];

/** A record as the store gave it back: `seq` counts from 1 within its session, without gaps. */
export type SessionRecord = RecordBody & { readonly session: string; readonly seq: number };

export const status = z.enum(["running", "waiting", "completed", "failed", "cancelled"]);
export type SessionStatus = z.infer<typeof status>;
