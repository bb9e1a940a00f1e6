import type { Action, CommandPart } from "./action.ts";
import type { EgressReport, EgressRequest } from "./egress.ts";
import type { ReadyRule, SandboxProxyRule } from "./proxyRule.ts";
import type {
  Identity,
  JsonValue,
  LeftOut,
  ModelReply,
  RecordBody,
  SessionRecord,
  SkillsInfo,
  ToolCall,
  TreeInfo,
} from "./records.ts";
import type { FileChange } from "./waitSubject.ts";
import type { Verdict } from "./profileRecord.ts";
import type { SandboxInfo } from "./sandboxInfo.ts";

/** Time, chance and hashing are handed in, so that core can be replayed and simulated. */
export interface World {
  /** Milliseconds since the epoch. For people and for durations; never for order. */
  now(): number;
  /**
   * The boot of this machine, and milliseconds since it, time asleep included: nobody can set
   * that. Null where the system does not say.
   */
  boot(): { readonly id: string; readonly ms: number } | null;
  /** A new id of lower-case letters and digits, safe in a file name and in a container name. */
  newId(): string;
  /** SHA-256 of the text's UTF-8 bytes, 64 lower-case hex digits. */
  digest(text: string): string;
  /** Resolves after `ms`, or rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

// --- Durable records ------------------------------------------------------------------------

/** The right to write to one session. A writer whose epoch is not the newest is refused. */
export interface Lease {
  readonly session: string;
  readonly epoch: number;
}

export interface SessionSummary {
  readonly session: string;
  /** First and last record; enough for a list without reading the session. */
  readonly first: SessionRecord;
  readonly last: SessionRecord;
  readonly records: number;
  /** True while a living owner holds the lease. */
  readonly held: boolean;
  /** True for a session that was imported, or recorded with another machine's key: it can be read, never continued. */
  readonly readOnly: boolean;
}

export interface StoreProblem {
  /** Empty when it is the store itself, or content that several sessions share. */
  readonly session: string;
  /** One sentence that names what is damaged or foreign. */
  readonly reason: string;
}

/** An outcome that another session may use: same key, no effect, kept for the workspace. */
export interface Recalled {
  readonly session: string;
  readonly output: JsonValue;
}

export interface CreateOptions {
  /** The new session refers to the blobs of this one too: its trees stay when that one is deleted. */
  readonly sharesBlobsOf?: string;
}

/**
 * Append-only records of many sessions, with one writer a session. Everything above it re-runs
 * flows against these records; a driver only remembers, in order, and fences.
 *
 * Errors, all of `CairnError`: `store.unwritable` (nothing was recorded, try again when the cause
 * is gone; only if the disk refused a sync and the process then dies before its next write may the
 * last refused call have been recorded, so whoever resumes reads first), `store.unavailable` (the same, and the store cannot be reached), `store.corrupt` (names
 * the session and record), `store.unverified` (records were not written with this machine's key:
 * readable with `read`, never claimed), `session.readOnly` (imported: the same).
 */
export interface DurableDriver {
  /** Makes a session with its first record, and claims it. Resolves when both are on disk. */
  create(session: string, first: RecordBody, options?: CreateOptions): Promise<Lease>;
  /**
   * Takes the right to write. Takes over from an owner that is proven dead or past its lease; a
   * lease is measured by a clock that nobody sets. Throws `session.busy` when another living owner
   * holds it, `session.unknown`, `store.unverified`, `session.readOnly`.
   */
  claim(session: string): Promise<Lease>;
  /** Gives the right back. Never throws for a lease that was lost. */
  release(lease: Lease): Promise<void>;
  /**
   * Appends one record; resolves after it is on disk, with its `seq`. Calls that are made while a
   * sync is under way share the next one, in the order of the calls.
   * Throws `session.lost` when a newer epoch exists: the caller must stop, nothing was written.
   */
  append(lease: Lease, body: RecordBody): Promise<SessionRecord>;
  /** Records in order, from after `afterSeq` (0 for all). Throws `session.unknown`, `store.corrupt`. */
  read(session: string, afterSeq?: number): Promise<readonly SessionRecord[]>;
  /**
   * Records after `afterSeq`, then each new one soon after it is on disk, whichever process wrote
   * it. Ends when the signal aborts or the driver is closed, without an error. Throws as `read`.
   */
  watch(session: string, afterSeq: number, signal: AbortSignal): AsyncIterable<SessionRecord>;
  /** Newest first. A session that does not read is left out here and named by `problems`. */
  list(): Promise<readonly SessionSummary[]>;
  /** Sessions that cannot be trusted or read. Looks only at what is new since the last call. */
  problems(): Promise<readonly StoreProblem[]>;
  /** Checks every record and every blob, and the files of the store. Empty when all is sound. */
  verify(): Promise<readonly StoreProblem[]>;
  /**
   * The outcome of a completed step with this key whose `cache` was `workspace` and that ran
   * (`via` is `run`), from any session that verifies; the newest one, null when there is none.
   */
  recall(key: string): Promise<Recalled | null>;
  /**
   * Stores bytes under their SHA-256 for a session; resolves when all are on disk. Existing ones
   * are kept. A blob stays until the last session that refers to it is removed.
   */
  putBlobs(session: string, blobs: readonly Uint8Array[]): Promise<readonly string[]>;
  /** Null when there is no such blob; throws `store.corrupt` when the bytes do not match the digest. */
  getBlob(digest: string): Promise<Uint8Array | null>;
  /** Digests of all blobs that a session refers to, sorted. Throws `session.unknown`. */
  blobsOf(session: string): Promise<readonly string[]>;
  /** Bytes on record by session: records, and blobs that no other session refers to. */
  sizes(): Promise<ReadonlyMap<string, number>>;
  /**
   * Deletes a session: when it resolves, no byte of its records, and of blobs that only it referred
   * to, is left in any file of the store. Throws `session.busy` while it is held, `session.unknown`.
   */
  remove(session: string): Promise<void>;
  /** Stores a session of another machine, to be read only. Throws `usage.invalid` when the id is taken. */
  import(
    session: string,
    records: readonly RecordBody[],
    blobs: readonly Uint8Array[],
  ): Promise<void>;
  /** Gives back every lease and closes. Records stay. */
  close(): Promise<void>;
}

// --- Model ----------------------------------------------------------------------------------

export type Message =
  | { readonly role: "system" | "user"; readonly text: string }
  | { readonly role: "assistant"; readonly text: string; readonly toolCalls: readonly ToolCall[] }
  | { readonly role: "tool"; readonly callId: string; readonly text: string };

/** What the model is told of a tool. `parameters` is a JSON Schema object. */
export interface ToolDescription {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonValue;
}

export interface ModelRequest {
  /** The model to ask, by the name that the endpoint knows it by. */
  readonly model: string;
  readonly messages: readonly Message[];
  readonly tools: readonly ToolDescription[];
}

/**
 * One request, one complete answer. Resolves only when the provider said why it stopped: a stream
 * that is cut, empty or not of the protocol throws. Calls of one reply have distinct, non-empty ids.
 *
 * Throws `CairnError` with a code `model.*`; `retryable` says whether asking again may help. Never
 * retries by itself: attempts are the flow's, so that each is recorded.
 */
export interface Model {
  reply(request: ModelRequest, signal: AbortSignal): Promise<ModelReply>;
}

// --- Sandbox --------------------------------------------------------------------------------

export interface ExecOptions {
  /** Ends the command's process tree; the result then has `status: "cancelled"`. */
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** What the log shows in place of the command, where the command is ours and not the model's. */
  readonly shown?: string;
}

/**
 * `exited`: ran to its end, `exitCode` is its own. `timedOut` and `cancelled`: its processes were
 * ended, the shell lives on. `shellDied`: the command ended the shell, or found it ended by a job
 * of an earlier one; it is never run again, the next one gets a new shell (directory, variables
 * and jobs are gone).
 */
export type ExecStatus = "exited" | "timedOut" | "cancelled" | "shellDied";

export interface ExecResult {
  readonly status: ExecStatus;
  /** Null where the shell could not tell. */
  readonly exitCode: number | null;
  /** Byte-exact up to the limit; head and tail are kept when `truncated`. */
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** Working directory after the command, as a path inside the sandbox. */
  readonly cwd: string;
  readonly durationMs: number;
  readonly truncated: boolean;
  /** Path inside the sandbox's log directory with all output, when `truncated`; else null. */
  readonly fullOutput: string | null;
  /** True when the kernel ended a process of it because the place ran out of memory. */
  readonly outOfMemory?: boolean;
}

/** Anything that has `run` is a sandbox. Tools get no more than this. */
export interface Sandbox {
  /**
   * Runs text in the session's one persistent shell; calls queue, they never overlap.
   * Resolves for every way a command can end. Throws `sandbox.lost` when the place itself is gone.
   */
  run(command: string, options: ExecOptions): Promise<ExecResult>;
  /**
   * Runs the parts of a command that was read, beside the session's shell and with nothing of it:
   * each by `execve`, in `cwd`, with a fixed PATH and an empty environment. Queues and resolves as
   * `run`, and leaves the session's shell where it is. Throws `sandbox.lost`, and `sandbox.unavailable` where `cwd` is no directory inside.
   */
  execute(
    parts: readonly CommandPart[],
    options: ExecOptions & { readonly cwd: string },
  ): Promise<ExecResult>;
}

/** What a sandbox uses, all of its processes together. */
export interface SandboxUsage {
  readonly memoryBytes: number;
  /** Of the processor, since the start. */
  readonly cpuMs: number;
}

/** One control of a sandbox's policy, as it was found from inside or from the engine. */
export interface Finding {
  /** Stable name, for example `root.readOnly`. */
  readonly control: string;
  /** What is wanted and what was found, for people; neither has a secret. */
  readonly wanted: string;
  readonly found: string;
  /** `broken` refuses the session; `gap` is what this backend cannot give, said openly. */
  readonly verdict: "held" | "broken" | "gap";
}

/** A terminal that a person looks at: what is shown on it, and how large it is. */
export interface TerminalScreen {
  readonly columns: number;
  readonly rows: number;
  readonly show: (bytes: Uint8Array) => void;
  /** The shell ended, or its sandbox did. */
  readonly ended: () => void;
}

/** A person's own shell in a sandbox, beside the session's. */
export interface SandboxTerminal {
  write(text: string): void;
  resize(columns: number, rows: number): void;
  /** Ends the shell and what runs in it. */
  close(): void;
}

/** What the wiring holds: the life of a sandbox. */
export interface SandboxHost extends Sandbox {
  /**
   * Finds out what would run, without starting it. Throws `sandbox.unavailable` or
   * `sandbox.imageMissing` with the command that mends it. Called before any model call.
   */
  probe(): Promise<SandboxInfo>;
  /**
   * Starts over the session's tree. Idempotent. `run` calls it when needed. Throws `sandbox.policy`,
   * and has ended what it started, when the place does not keep its policy.
   */
  start(): Promise<void>;
  /** Proves each control of the policy in the running place. Starts it when needed. */
  check(): Promise<readonly Finding[]>;
  /** Stops every process inside while `work` runs, so that nothing races with the host. */
  frozen<T>(work: () => Promise<T>): Promise<T>;
  /**
   * What it uses now: cheap, for it is the heartbeat, too. Null when nothing runs or the backend
   * cannot tell. Throws `sandbox.lost` when what ran is gone.
   */
  usage(): Promise<SandboxUsage | null>;
  /**
   * What earlier commands made of the session's shell, where that could make a command mean
   * something else, as one sentence for people: "The shell differs from a clean one: 1 alias, PATH
   * changed." Empty when nothing did, or no shell runs. Answers soon, also while a command runs:
   * then the sentence says that it is not known. Throws `sandbox.lost`. Absent where it cannot be told.
   */
  shellDiffers?(): Promise<string>;
  /** A second shell in what runs. Null when nothing runs; absent where a backend has none to give. */
  terminal?(screen: TerminalScreen): Promise<SandboxTerminal | null>;
  /** Asks what runs inside to end, ends it after a grace, and leaves nothing behind. Idempotent, never throws. */
  stop(): Promise<void>;
}

// --- The way out -----------------------------------------------------------------------------

/** A proxy that runs, wherever it was started: its standard streams as text, and its end. */
export interface ProxyProcess {
  /** To its standard input, and nowhere else: secrets go that way. */
  write(text: string): void;
  /** `take` gets what its standard output says from now on. */
  hear(take: (text: string) => void): void;
  /** Resolves with what it said last when it is gone. Never rejects. */
  readonly gone: Promise<string>;
  /** Resolves when it is gone. Idempotent, never throws. */
  end(): Promise<void>;
}

/** A network that one sandbox and its proxy alone are on. */
export interface ProxyNetwork {
  /** Where the proxy listens. */
  readonly host: string;
  readonly port: number;
  /** The sandbox's own addresses; whoever comes from elsewhere is refused. */
  readonly workers: readonly string[];
  /** All of its addresses, which no rule opens. */
  readonly subnet: string;
}

/** The proxy of one session, as its sandbox starts it and as its flow looks at it. */
export interface Egress {
  /**
   * Makes an empty directory of the session's own the place where all authorities are that its
   * sandbox is to trust, `authorities.pem`, and with the door `socket` also where the proxy is
   * reached, `proxy.sock`; with `network` nothing is reached before `serve`. Both are there when it
   * resolves. Idempotent. Throws `secret.missing`, naming the secret, and `proxy.unavailable`.
   */
  listen(directory: string, door: "socket" | "network"): Promise<void>;
  /**
   * Lets a proxy that somebody else started go by the rules, after `listen` with `network`, and
   * again with another one when it is gone. Resolves when it listens. Throws as `listen`, and has
   * ended it then.
   */
  serve(proxy: ProxyProcess, network: ProxyNetwork): Promise<void>;
  /** Goes by the rules as they are now; resolves when they hold. Does nothing when it does not run. */
  renew(): Promise<void>;
  /** Resolves when what was refused until now can be taken. Never throws. */
  settle(): Promise<void>;
  /** What was refused since the last call, in order, the same request once; at most 100. */
  takeRefused(): readonly EgressReport[];
  /** Ends it; nothing of it is left. Idempotent, never throws. */
  close(): Promise<void>;
}

/** What is known of a request that no rule covers. */
export interface AboutRequest {
  /** A rule that knows its host: where that lies, and who signs for it. Null when there is none. */
  readonly near: SandboxProxyRule | null;
  /** A ready rule that covers it; null when there is none. */
  readonly ready: ReadyRule | null;
}

/** The way out of one session's sandbox, as its flow sees it. */
export interface WayOut {
  /**
   * Goes by the rules as they are now, and by `once` beside them; resolves when they hold. At once
   * where nothing changed. Throws as `Egress`.
   */
  renew(once: readonly SandboxProxyRule[]): Promise<void>;
  /** What was refused since the last call, in order, the same request once; at most 100. */
  takeRefused(): Promise<readonly EgressReport[]>;
  about(request: EgressRequest): Promise<AboutRequest>;
  /**
   * From now on a request that may change something goes out only once `holding` has resolved for
   * it; where that throws it is refused. Null ends this.
   */
  hold(holding: ((request: EgressRequest) => Promise<void>) | null): void;
  /** Puts into the audit log what became of a refused request. Throws `audit.unwritable`. */
  decided(action: Action, why: string): Promise<void>;
}

// --- Workspace trees ------------------------------------------------------------------------

/** A stored tree, and what lay in the workspace but is not in it. */
export interface Captured {
  readonly tree: string;
  readonly leftOut: readonly LeftOut[];
}

/** What a copy of the user's folder would be. */
export interface Survey {
  readonly files: number;
  readonly bytes: number;
  readonly leftOut: readonly LeftOut[];
}

/**
 * The session's own copy of the workspace, and its history. The host never runs a tool inside the
 * tree and never follows a link out of it.
 */
export interface WorkspaceTrees {
  /** What `seed` would copy and leave out, by a look at names and sizes; changes nothing. */
  survey(): Promise<Survey>;
  /** Makes the session's tree a copy of the user's folder and stores it. Safe to repeat. */
  seed(): Promise<TreeInfo>;
  /** Stores the tree as it is now; resolves when every byte is on disk. */
  capture(): Promise<Captured>;
  /** Makes the tree exactly the stored one: contents, modes, links; nothing else remains. */
  restore(tree: string): Promise<void>;
  /** What changed from one stored tree to another, sorted by path, with unified diffs. */
  diff(from: string, to: string): Promise<readonly FileChange[]>;
  /**
   * What `apply` would do: three-way, per file, against the user's folder as it is now.
   * A file that the user changed since `base` is a conflict, never overwritten. `only` names
   * paths; null is all.
   */
  plan(base: string, tree: string, only?: readonly string[] | null): Promise<readonly FileChange[]>;
  /**
   * The same from a tree back to its base, to take a write of these paths back. A file that the
   * user changed since is `contested` where `keep` would take it; otherwise its conflict says why not.
   */
  planBack(base: string, tree: string, only: readonly string[]): Promise<readonly FileChange[]>;
  /**
   * Stores what lies in the folder at the contested changes; resolves with the tree of it when every
   * byte is on disk. Safe to repeat, also when they were replaced since. Throws `apply.conflict`
   * when one was neither kept before nor is what the change says.
   */
  keep(changes: readonly FileChange[]): Promise<string>;
  /**
   * Writes those of the plan's changes that are given and have no conflict, or are contested and
   * kept, into the user's folder, each file atomically and never through a link. Safe to repeat.
   * Throws `apply.readOnly`, `apply.conflict` when the folder no longer matches `changes`.
   */
  apply(base: string, tree: string, changes: readonly FileChange[]): Promise<void>;
  /** Paths of the files in a stored tree, sorted. */
  list(tree: string): Promise<readonly string[]>;
  /** Bytes of one file of a stored tree, null when it is not there. */
  file(tree: string, path: string): Promise<Uint8Array | null>;
}

// --- Skills ---------------------------------------------------------------------------------

export interface ResolvedSkills {
  readonly info: SkillsInfo;
  /** Directory of plain markdown files, one folder a skill; no links, nothing executable. */
  readonly directory: string;
}

export interface SkillSource {
  /** Throws `skills.unavailable` (what could not be reached) or `skills.unsafe` (what was refused). */
  resolve(): Promise<ResolvedSkills>;
}

/** What the `skill` tool sees: names and text, never a path of the host. */
export interface SkillLibrary {
  list(): Promise<readonly { readonly name: string; readonly description: string }[]>;
  /** A file of a skill by relative path; `SKILL.md` when the path is empty. Null when it is not there. */
  read(
    skill: string,
    path: string,
  ): Promise<{ readonly text: string; readonly truncated: boolean } | null>;
}

// --- The editor ------------------------------------------------------------------------------

/** A place in a file of the user's folder: a relative path, line and column from 1. */
export interface EditorPlace {
  readonly path: string;
  readonly line: number;
  readonly column: number;
}

/** Something that the editor's Problems view shows. */
export interface EditorProblem extends EditorPlace {
  readonly severity: "error" | "warning" | "information" | "hint";
  readonly message: string;
  /** Who found it, and under which code; empty where it does not say. */
  readonly source: string;
  readonly code: string;
}

/** A name that a language server knows. */
export interface EditorSymbol extends EditorPlace {
  readonly name: string;
  readonly kind: string;
  /** What it is a part of; empty for nothing. */
  readonly container: string;
}

/**
 * What the editor knows of the user's own folder, as it is now: a session's changes are not in it
 * before they are applied. Files outside of the folder are left out. Throws `service.unavailable`
 * where there is no editor.
 */
export interface EditorFacts {
  /** Of one file, or of all when it is null. */
  problems(path: string | null): Promise<readonly EditorProblem[]>;
  symbols(query: string): Promise<readonly EditorSymbol[]>;
  /** Of the first `symbol` on a line. Throws `service.notFound` where there is no such file, line or symbol. */
  references(
    at: Pick<EditorPlace, "path" | "line"> & { readonly symbol: string },
  ): Promise<readonly EditorPlace[]>;
}

/** The user's own GitHub session. */
export interface GithubAccess {
  /** Base of the API, as the user's settings say. */
  api(): string;
  /** `ask`: whether the user may be asked to sign in. Throws `service.unauthorized` when nobody is. */
  token(ask: boolean): Promise<string>;
}

// --- Permissions ----------------------------------------------------------------------------

/** Reads a command line without running anything. */
export interface CommandReader {
  /**
   * Its parts, when it is certain that bash would run exactly these words and nothing else; null
   * for everything that is not. `cwd` is where relative paths begin. Never throws.
   */
  read(text: string, cwd: string): readonly CommandPart[] | null;
}

/** What is decided on an action, and why. */
export interface Ruling {
  readonly verdict: Verdict;
  /** The rule that decided; null where the profile's default for the risk did. */
  readonly rule: { readonly id: string; readonly scope: string; readonly sentence: string } | null;
  /** Why, in one sentence for people: the rule, the default, or what could not be decided. */
  readonly why: string;
}

/** Who decides, by the rules as they are now. */
export interface Permissions {
  /** Never throws: what cannot be decided is asked about, and denied where nobody is there. */
  decide(action: Action): Promise<Ruling>;
}

// --- Secrets --------------------------------------------------------------------------------

/** What proxy rules and services act with, by name. Nothing shows a value. */
export interface SecretStore {
  /** Sorted. */
  names(): Promise<readonly string[]>;
  /** Null when there is none. Throws `secret.invalid` for one that others can read. */
  read(name: string): Promise<string | null>;
}

// --- Audit ----------------------------------------------------------------------------------

/** What happened, as it is kept apart from sessions. No text of it has a secret. */
export interface AuditEntry {
  /**
   * `began` and `ended` are a pair around each effect, with the same `operation`. `sent` is a
   * request that a proxy lets out: before it goes where it may change something.
   */
  readonly kind:
    | "asked"
    | "answered"
    | "refused"
    | "sent"
    | "decided"
    | "began"
    | "ended"
    | "rule"
    | "skills"
    | "session";
  /** Null for what belongs to none. */
  readonly session: string | null;
  /** Id of the step or of the wait. */
  readonly step: string | null;
  /** The effect's idempotency key; null where there is none. */
  readonly operation: string | null;
  /** Digest of exactly what was decided on, or done. */
  readonly digest: string | null;
  readonly by: Identity | null;
  /** What was done, decided or refused, and with which outcome, in words. */
  readonly what: string;
  readonly outcome: string | null;
}

export interface AuditLog {
  /** Resolves when the entry is on disk. Throws `audit.unwritable`: then the effect must not happen. */
  write(entry: AuditEntry): Promise<void>;
}

// --- Redaction ------------------------------------------------------------------------------

/** Puts a marker in place of every secret that it finds. What it gives, it leaves as it is. */
export interface Redactor {
  text(text: string): string;
  /** All strings in it, and those under names that say what they are. Where nothing is found, the same value. */
  value(value: JsonValue): JsonValue;
}

/** Where lines for the log channel and the runtime log go. Never gets a secret. */
export type Log = (line: string) => void;
