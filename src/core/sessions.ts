import type { Tightening } from "./backtest.ts";
import type { DerivationRequest } from "./derivation.ts";
import type { Explanation } from "./explain.ts";
import type {
  Finding,
  SandboxTerminal,
  StoreProblem,
  Survey,
  TerminalScreen,
  WorkspaceTrees,
} from "./ports.ts";
import type {
  Decision,
  Derivation,
  Identity,
  JsonValue,
  SessionRecord,
  SessionStatus,
} from "./records.ts";
import type { FileChange } from "./waitSubject.ts";
import type { Profile } from "./profileRecord.ts";
import type { SandboxInfo } from "./sandboxInfo.ts";
import type { RetentionPolicy } from "./retention.ts";
import type { Rule } from "./rule.ts";
import type { RuleList } from "./ruleLines.ts";
import type { Answer } from "./waitAnswer.ts";

/** What the demo session is asked to do. */
export const demoGoal = "The test in this folder fails. Find out why and fix it.";

/** `auto` is docker when an engine answers and has the image, else bubblewrap where it works, else embedded. */
export type SandboxChoice = "auto" | SandboxInfo["backend"];

/** A sandbox as a new session would get it, and what was found of its policy. */
export interface SandboxCheck {
  readonly sandbox: SandboxInfo;
  readonly findings: readonly Finding[];
}

export interface StartRequest {
  /** What the agent is asked, one turn after the other; at least one. */
  readonly prompts: readonly string[];
  /** A flow of one's own instead of the agent. Throws `flow.unknown` with the names. */
  readonly flow?: { readonly name: string; readonly input: JsonValue };
  readonly profile: Profile;
  readonly model:
    | { readonly demo: true }
    | { readonly demo: false; readonly url: string; readonly name: string };
  readonly sandbox: SandboxChoice;
  /** `auto` (when left out): in the folder's dev container, where it has one and an engine answers. */
  readonly devContainer?: "auto" | "off";
  /** A folder, or a git source with a ref; null for the skills that ship with Cairn. */
  readonly skills: string | null;
  /** What the copy of the folder leaves out, as lines of a `.gitignore`. */
  readonly exclude?: readonly string[];
  /** Files that may hold secrets and are copied all the same, as such lines, too. */
  readonly include?: readonly string[];
}

export interface SessionEntry {
  readonly session: string;
  readonly goal: string;
  /** What it is to the session that it was made from; null when it was made from none. */
  readonly madeBy: Derivation["mode"] | null;
  readonly status: SessionStatus;
  /** False for a running session that nobody drives: it was interrupted and can be resumed. */
  readonly held: boolean;
  /** Imported, or of another machine: it can be looked at, not continued. */
  readonly readOnly: boolean;
  readonly startedAt: number;
  readonly lastAt: number;
  readonly records: number;
}

/** A session that was let go of, and why, in one sentence. */
export interface Expired {
  readonly session: string;
  readonly reason: string;
}

export interface Pruned {
  readonly removed: readonly Expired[];
  /** Bytes that are still over the limit, because what is left runs or waits. */
  readonly bytesOver: number;
}

/** A wider yes that an open approval may be given. It is shown before it is saved. */
export interface GrantOffer {
  readonly grant: NonNullable<Decision["grant"]>;
  /** What its rule would allow, in one sentence. */
  readonly sentence: string;
  /** What proposes it, for people; null where it is what was asked for. */
  readonly from: string | null;
  /** What the rule would have done in this folder so far: of `seen` actions it lets `passed` pass, of which the operator had rejected `rejected`. */
  readonly past: { readonly seen: number; readonly passed: number; readonly rejected: number };
}

/** What is known of an open wait beside its record. */
export interface WaitFacts {
  /** What the operator decided on alike actions of this folder. */
  readonly alike: { readonly approved: number; readonly rejected: number };
  readonly grants: readonly GrantOffer[];
  /** What the rules that an approval would add would have done in this folder; absent where it adds none. */
  readonly tightening?: Tightening;
}

/** A session being driven here. `done` resolves when it ends, parks or is stopped; it rejects with a `CairnError`. */
export interface Run {
  readonly session: string;
  readonly done: Promise<SessionStatus>;
}

/** Stored trees, to look at. */
export type TreeViewer = Pick<WorkspaceTrees, "list" | "file" | "diff">;

/** What people do with rules. */
export interface Rules {
  /** Those that count here now, and what of their files does not. */
  list(): Promise<RuleList>;
  /** Writes one into the user's own file. Throws `rules.invalid`, `rules.unwritable`, `audit.unwritable`. */
  add(rule: Rule, by: Identity): Promise<void>;
  /** Removes one of the user's, or something granted. Throws as `add`. */
  remove(id: string, by: Identity): Promise<void>;
  /** Takes back all that was granted, everywhere; resolves with how much it was. */
  revokeAll(by: Identity): Promise<number>;
}

/**
 * All sessions of one workspace: what the editor and the command line drive. Each verb resolves
 * when the session is found and its parts are made; `done` carries the rest.
 */
export interface Sessions {
  /** One sentence when the store is not in the workspace folder, else null. */
  readonly notice: string | null;
  readonly trees: TreeViewer;
  readonly rules: Rules;
  /** What a session that starts now would copy of the folder, and leave out. Throws `usage.invalid`. */
  survey(choice: Pick<StartRequest, "exclude" | "include">): Promise<Survey>;
  /** What changed from one step of a session to another; `treeAt` says how steps are named. */
  diff(session: string, from: string, to: string): Promise<readonly FileChange[]>;
  /** Bytes that deleting a session would give back, by session. */
  sizes(): Promise<ReadonlyMap<string, number>>;
  /** Throws before any model call when the sandbox, the skills or the model cannot be had. */
  start(request: StartRequest): Promise<Run>;
  /** Makes a session with its copy of the folder, for another process to run; resolves with its id. */
  queue(request: StartRequest): Promise<string>;
  answer(session: string, answer: Answer): Promise<Run>;
  /** For people who look at an open wait; nothing of it is on record. */
  waitFacts(session: string, wait: string): Promise<WaitFacts>;
  /** Records an answer, and leaves it to another process to go on. */
  leave(session: string, answer: Answer): Promise<void>;
  resume(session: string): Promise<Run>;
  retry(session: string): Promise<Run>;
  apply(session: string): Promise<Run>;
  /** Takes the session's newest apply back; each file that changed since is asked about. Throws `apply.nothing`. */
  undo(session: string): Promise<Run>;
  /**
   * A new session from the records of another one, which is not touched: a replay or a fork.
   * Throws `selector.unknown`, `selector.ambiguous`, `override.invalid`, and has made nothing then.
   */
  derive(session: string, request: DerivationRequest): Promise<Run>;
  /** Ends a session for good; a run of this process is stopped first. Throws `session.ended`. */
  cancel(session: string, by: Identity): Promise<void>;
  /** Why a checkpoint was served or ran. */
  explain(session: string, selector: string): Promise<Explanation>;
  /** Deletes a session: no byte of it is left. Throws `session.busy` while it runs. */
  remove(session: string): Promise<void>;
  /** Deletes what the policy lets go of; resolves with what it was. */
  prune(policy: RetentionPolicy): Promise<Pruned>;
  /** Checks everything that is stored. Empty when all is sound. */
  verify(): Promise<readonly StoreProblem[]>;
  /** The session as a bundle, line by line, without what looks like a secret. */
  export(session: string): AsyncIterable<string>;
  /** Stores a bundle as a session that can only be read; resolves with its id. Throws `bundle.invalid`. */
  import(lines: AsyncIterable<string>): Promise<string>;
  /** Interrupts a run of this process; false when it runs none. Resume goes on from the next call. */
  stop(session: string): Promise<boolean>;
  /** Starts a sandbox of its own, tries each wall of it, and leaves nothing. Throws `sandbox.unavailable`, `sandbox.imageMissing`. */
  checkSandbox(choice: SandboxChoice): Promise<SandboxCheck>;
  /** Names of the runtimes that the container engine has. Throws `sandbox.unavailable`. */
  runtimes(): Promise<readonly string[]>;
  /** Newest first. */
  list(): Promise<readonly SessionEntry[]>;
  problems(): Promise<readonly StoreProblem[]>;
  /** Whether this process has the session's sandbox, or would start it. */
  isLive(session: string): boolean;
  /** A shell of one's own in the sandbox of a session. Throws `sandbox.unavailable` when none runs here, or it has none to give. */
  terminal(session: string, screen: TerminalScreen): Promise<SandboxTerminal>;
  /**
   * Forgets what was approved of the folder's dev container and removes what was built of it: the
   * next session asks, and builds again. Resolves with the images that it removed.
   */
  rebuildContainer(): Promise<readonly string[]>;
  records(session: string): Promise<readonly SessionRecord[]>;
  /** Files with what a session's sandbox did, oldest first; none when it never ran. Throws `session.unknown`. */
  runtimeLog(session: string): Promise<readonly string[]>;
  /** Ends runs, sandboxes and the store of this process. Sessions stay. */
  close(): Promise<void>;
}
