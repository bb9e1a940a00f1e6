import * as vscode from "vscode";
import { CairnError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { SessionRecord, SessionStatus } from "../core/records.ts";
import { statusOf, viewOf, type SessionView } from "../core/replay.ts";
import type { SessionEntry, Sessions } from "../core/sessions.ts";
import type { PanelWait } from "../protocol.ts";
import type { Folder, Folders } from "./folders.ts";

export interface KnownSession extends SessionEntry {
  readonly folder: Folder;
  /** As people see it: a running session that nobody drives was interrupted. */
  readonly state: SessionStatus | "interrupted";
}

export interface Problem {
  readonly folder: Folder;
  /** Empty when it is the store itself. */
  readonly session: string;
  readonly reason: string;
}

const pollMs = 2000;
/** Records of one burst redraw everything once. */
const settleMs = 50;

/**
 * What is known of the sessions of the open folders, for every view. Records of this window arrive
 * by themselves; what other windows and the command line do is seen by `refresh`.
 */
export class KnownSessions implements vscode.Disposable {
  readonly #folders: Folders;
  readonly #log: Log;
  readonly #changes = new vscode.EventEmitter<void>();
  readonly #views = new Map<string, { readonly count: number; readonly view: SessionView }>();
  readonly #records = new Map<string, SessionRecord[]>();
  #sessions = new Map<string, KnownSession>();
  #problems: readonly Problem[] = [];
  #refreshing: Promise<void> | null = null;
  #settling: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;

  constructor(folders: Folders, log: Log) {
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
    let records = this.#records.get(session);
    if (records === undefined || records.length < count) {
      records = [...(await (await this.sessionsOf(session)).records(session))];
      this.#records.set(session, records);
    }
    const view = viewOf(records);
    this.#views.set(session, { count: records.length, view });
    return view;
  }

  /** Everything that waits for the operator, oldest first. */
  async waits(): Promise<readonly PanelWait[]> {
    const waiting = this.all.filter(({ state }) => state === "waiting");
    const waits = await Promise.all(
      waiting.map(async ({ session, goal, status }) =>
        (await this.view(session)).openWaits.map((record) => ({ record, goal, status })),
      ),
    );
    return waits.flat().toSorted((one, two) => one.record.at - two.record.at);
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
    const start =
      record.kind === "session.started" ? { goal: record.spec.goal, startedAt: at } : known;
    if (start === undefined) {
      void this.refresh();
      return;
    }
    const { goal, startedAt } = start;
    const status = statusOf(record);
    const entry = { session, goal, status, held: true, startedAt, lastAt: at, records: seq };
    this.#sessions.set(session, { ...entry, folder, state: status });
    this.#changed();
  }

  /** Looks at the stores again. Opens no store that does not exist. Never throws. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#readStores().finally(() => {
      this.#refreshing = null;
    });
    await this.#refreshing;
  }

  dispose(): void {
    clearTimeout(this.#poll);
    clearTimeout(this.#settling);
    this.#changes.dispose();
  }

  async #readStores(): Promise<void> {
    const before = this.#summary();
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
    this.#sessions = sessions;
    this.#problems = problems;
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
    const interrupted = entry.status === "running" && !entry.held;
    return { ...entry, folder, state: interrupted ? "interrupted" : entry.status };
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
