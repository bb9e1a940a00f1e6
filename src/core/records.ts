import * as z from "zod";
import { cacheMode, profile } from "./profileRecord.ts";
import { sandboxInfo } from "./sandboxInfo.ts";
import { fileChange, waitSubject } from "./waitSubject.ts";

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
