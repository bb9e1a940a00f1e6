import type { WorkspaceTrees } from "./ports.ts";
import type { Profile, SessionRecord, SessionStatus } from "./records.ts";
import type { Answer } from "./session.ts";

/** What the demo session is asked to do. */
export const demoGoal = "The test in this folder fails. Find out why and fix it.";

/** `auto` is docker when an engine answers and has the image, else embedded. */
export type SandboxChoice = "auto" | "docker" | "embedded";

export interface StartRequest {
  readonly goal: string;
  readonly profile: Profile;
  readonly model:
    | { readonly demo: true }
    | { readonly demo: false; readonly url: string; readonly name: string };
  readonly sandbox: SandboxChoice;
  /** A folder, or a git source with a ref; null for the skills that ship with Cairn. */
  readonly skills: string | null;
}

export interface SessionEntry {
  readonly session: string;
  readonly goal: string;
  readonly status: SessionStatus;
  /** False for a running session that nobody drives: it was interrupted and can be resumed. */
  readonly held: boolean;
  readonly startedAt: number;
  readonly lastAt: number;
  readonly records: number;
}

/** A session being driven here. `done` resolves when it ends, parks or is stopped; it rejects with a `CairnError`. */
export interface Run {
  readonly session: string;
  readonly done: Promise<SessionStatus>;
}

/** Stored trees, to look at. */
export type TreeViewer = Pick<WorkspaceTrees, "list" | "file" | "diff">;

/**
 * All sessions of one workspace: what the editor and the command line drive. Each verb resolves
 * when the session is found and its parts are made; `done` carries the rest.
 */
export interface Sessions {
  /** One sentence when the store is not in the workspace folder, else null. */
  readonly notice: string | null;
  readonly trees: TreeViewer;
  /** Throws before any model call when the sandbox, the skills or the model cannot be had. */
  start(request: StartRequest): Promise<Run>;
  answer(session: string, answer: Answer): Promise<Run>;
  resume(session: string): Promise<Run>;
  retry(session: string): Promise<Run>;
  apply(session: string): Promise<Run>;
  /** A new session that serves every recorded result; the source is not touched. */
  replay(session: string): Promise<Run>;
  /** Interrupts a run of this process; false when it runs none. Resume goes on from the next call. */
  stop(session: string): Promise<boolean>;
  /** Newest first. */
  list(): Promise<readonly SessionEntry[]>;
  problems(): Promise<readonly { readonly session: string; readonly reason: string }[]>;
  records(session: string): Promise<readonly SessionRecord[]>;
  /** Ends runs, sandboxes and the store of this process. Sessions stay. */
  close(): Promise<void>;
}
