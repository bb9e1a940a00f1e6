import * as vscode from "vscode";
import { CairnError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { SessionRecord, SessionStatus } from "../core/records.ts";
import { statusOf, viewOf, type OpenWait, type SessionView } from "../core/replay.ts";
import type { SessionEntry, Sessions } from "../core/sessions.ts";
import type { Folder, Folders } from "./folders.ts";
import { keepNewer } from "./keepNewer.ts";
import { openWaitsOf } from "./openWaits.ts";

export interface KnownSession extends SessionEntry {
  readonly folder: Folder;
  /** As people see it: a running session that nobody drives was interrupted; one of elsewhere can only be read. */
  readonly state: SessionStatus | "interrupted" | "readOnly";
}

/** A wait that is open, with what its session is about. */
export interface KnownWait {
  readonly record: OpenWait;
  readonly goal: string;
}

export interface Problem {
  readonly folder: Folder;
  /** Empty when it is the store itself. */
  readonly session: string;
  readonly reason: string;
}

type Stores = Pick<Folders, "sessions" | "withSessions">;

/** States in which waits can be open and be answered. */
const mayAsk: ReadonlySet<KnownSession["state"]> = new Set(["running", "waiting", "interrupted"]);
const pollMs = 2000;
/** Records of one burst redraw everything once. */
const settleMs = 50;

/**
 * What is known of the sessions of the open folders, for every view. Records of this window arrive
 * by themselves; what other windows and the command line do is seen by `refresh`.
 */
export class KnownSessions implements vscode.Disposable {
  readonly #folders: Stores;
  readonly #log: Log;
  readonly #changes = new vscode.EventEmitter<void>();
  readonly #views = new Map<string, { readonly count: number; readonly view: SessionView }>();
  readonly #records = new Map<string, SessionRecord[]>();
  #sessions = new Map<string, KnownSession>();
  #problems: readonly Problem[] = [];
  #reading: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;
  #settling: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;

  constructor(folders: Stores, log: Log) {
    this.#folders = folders;
    this.#log = log;
  }

  readonly onDidChange: vscode.Event<void> = (listener, self, disposables) =>
    this.#changes.event(listener, self, disposables);

  /** Newest first. */
  get all(): readonly KnownSession[] {
    return [...this.#sessions.values()].toSorted((one, two) => two.startedAt - one.startedAt);
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Throws `session.unknown`. */
  async get(session: string): Promise<KnownSession> {
    if (!this.#sessions.has(session)) await this.refresh();
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    throw new CairnError(
      "session.unknown",
      `There is no session ${session} in the open folders. Open the folder that it belongs to.`,
    );
  }

  /** The sessions among which this one is. Throws `session.unknown`, `workspace.untrusted`. */
  async sessionsOf(session: string): Promise<Sessions> {
    return this.#folders.sessions((await this.get(session)).folder);
  }

  /** Throws `session.unknown`, `store.corrupt`. */
  async view(session: string): Promise<SessionView> {
    const { records: count } = await this.get(session);
    const known = this.#views.get(session);
    if (known !== undefined && known.count >= count) return known.view;
    const records = await this.records(session);
    const view = viewOf(records);
    this.#views.set(session, { count: records.length, view });
    return view;
  }

  /** Throws `session.unknown`, `store.corrupt`. */
  async records(session: string): Promise<readonly SessionRecord[]> {
    const { records: count } = await this.get(session);
    const known = this.#records.get(session);
    if (known !== undefined && known.length >= count) return known;
    const records = [...(await (await this.sessionsOf(session)).records(session))];
    this.#records.set(session, records);
    return records;
  }

  /** Everything that waits for the operator, oldest first. A session may run on beside what it asks. */
  async waits(): Promise<readonly KnownWait[]> {
    const waits = await Promise.all(
      this.all.filter(({ state }) => mayAsk.has(state)).map(async (known) => this.#waitsOf(known)),
    );
    return waits.flat().toSorted((one, two) => one.record.at - two.record.at);
  }

  /** Forgets a session that was deleted, whatever of it is still in memory. */
  forget(session: string): void {
    this.#views.delete(session);
    this.#records.delete(session);
    if (this.#sessions.delete(session)) this.#changed();
  }

  /** A record that this window has just put on disk. */
  add(folder: Folder, record: SessionRecord): void {
    const { session, seq, at } = record;
    const records = this.#records.get(session) ?? [];
    if (records.length === seq - 1) {
      records.push(record);
      this.#records.set(session, records);
    }
    const known = this.#sessions.get(session);
    const start = record.kind === "session.started" ? startOf(record) : known;
    if (start === undefined) {
      void this.refresh();
      return;
    }
    const { goal, madeBy, startedAt } = start;
    const status = statusOf(record);
    const entry = { session, goal, madeBy, status, startedAt, lastAt: at, records: seq };
    const drives = { held: true, readOnly: false };
    this.#sessions.set(session, { ...entry, ...drives, folder, state: status });
    this.#changed();
  }

  /** Looks at the stores, after the call. Opens no store that does not exist. Never throws. */
  async refresh(): Promise<void> {
    this.#next ??= this.#readNext();
    await this.#next;
  }

  dispose(): void {
    clearTimeout(this.#poll);
    clearTimeout(this.#settling);
    this.#changes.dispose();
  }

  /** A session that does not read is named by its store; the others still ask. */
  async #waitsOf({ session, goal }: KnownSession): Promise<readonly KnownWait[]> {
    try {
      return openWaitsOf(await this.records(session)).map((record) => ({ record, goal }));
    } catch (error) {
      if (!CairnError.is(error)) throw error;
      this.#log(`${error.code}: ${error.message}`);
      return [];
    }
  }

  /** What is being read already may be older than the call. */
  async #readNext(): Promise<void> {
    await this.#reading;
    this.#next = null;
    this.#reading = this.#readStores();
    await this.#reading;
  }

  async #readStores(): Promise<void> {
    const before = this.#summary();
    const knownBefore = new Set(this.#sessions.keys());
    const sessions = new Map<string, KnownSession>();
    const problems: Problem[] = [];
    for (const folder of await this.#folders.withSessions()) {
      try {
        const opened = await this.#folders.sessions(folder);
        const [entries, bad] = await Promise.all([opened.list(), opened.problems()]);
        for (const entry of entries) sessions.set(entry.session, this.#newer(folder, entry));
        problems.push(...bad.map(({ session, reason }) => ({ folder, session, reason })));
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        problems.push({ folder, session: "", reason });
      }
    }
    keepNewer(sessions, knownBefore, this.#sessions);
    this.#sessions = sessions;
    this.#problems = problems;
    for (const session of this.#records.keys()) {
      if (!sessions.has(session)) this.forget(session);
    }
    if (this.#summary() === before) this.#schedulePoll();
    else {
      for (const { session, reason } of problems) this.#log(`${session} ${reason}`.trim());
      this.#changed();
    }
  }

  /** A record may have arrived while the list was read. */
  #newer(folder: Folder, entry: SessionEntry): KnownSession {
    const known = this.#sessions.get(entry.session);
    if (known !== undefined && known.records > entry.records) return known;
    return { ...entry, folder, state: stateOf(entry) };
  }

  #summary(): string {
    const sessions = this.all.map(({ session, state, records }) => [session, state, records]);
    return JSON.stringify([
      sessions,
      this.#problems.map(({ session, reason }) => [session, reason]),
    ]);
  }

  #changed(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      this.#changes.fire();
    }, settleMs);
    this.#schedulePoll();
  }

  /** Another process may go on with a session, or answer it, as long as one is under way. */
  #schedulePoll(): void {
    clearTimeout(this.#poll);
    const underWay = this.all.some(({ state }) => state === "running" || state === "waiting");
    if (underWay) this.#poll = setTimeout(() => void this.refresh(), pollMs);
  }
}

function startOf({ spec, at }: Extract<SessionRecord, { kind: "session.started" }>) {
  return { goal: spec.goal, madeBy: spec.derivation?.mode ?? null, startedAt: at };
}

function stateOf({ status, held, readOnly }: SessionEntry): KnownSession["state"] {
  if (readOnly) return "readOnly";
  return status === "running" && !held ? "interrupted" : status;
}
