import * as vscode from "vscode";
import type { Log } from "../core/ports.ts";
import type { Run } from "../core/sessions.ts";
import { visibleText } from "../core/visibleText.ts";
import type { KnownSessions } from "./knownSessions.ts";
import { messageText } from "./messageText.ts";
import { showError, showFailure } from "./showError.ts";

/** The sessions that somebody set going in this window, followed until they end or park. */
export class Runs {
  readonly #known: KnownSessions;
  readonly #log: Log;
  readonly #mine = new Set<string>();
  /** An answer beside a run gives that same run again. */
  readonly #followed = new WeakSet<Run["done"]>();

  constructor(known: KnownSessions, log: Log) {
    this.#known = known;
    this.#log = log;
  }

  /** Whether the person at this window is likely to expect its questions. */
  startedHere(session: string): boolean {
    return this.#mine.has(session);
  }

  /** Follows a run and shows what stops it; gives the session's id. */
  start(run: Run): string {
    this.follow(run).catch(async (error: unknown) => showError(error, this.#log));
    return run.session;
  }

  /** Resolves when it ended or parked, and was announced. Rejects with what stopped it. */
  async follow({ session, done }: Run): Promise<void> {
    this.#mine.add(session);
    if (this.#followed.has(done)) return;
    this.#followed.add(done);
    let status;
    try {
      status = await done;
    } finally {
      await this.#known.refresh();
    }
    const { spec, ended } = await this.#known.view(session);
    this.#log(`session ${session} is ${status}`);
    const failure = ended?.failure ?? null;
    if (status === "failed" && failure !== null) await showFailure(failure, this.#log);
    if (status !== "completed") return;
    const choice = await vscode.window.showInformationMessage(
      messageText(`Cairn finished: ${shortened(spec.goal)}`),
      "Replay",
    );
    if (choice !== undefined) {
      await vscode.commands.executeCommand("cairn.replaySession", { session });
    }
  }
}

/** A text on one line, short enough for a label. */
export function shortened(text: string, longest = 60): string {
  const line = text.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, " ").trim();
  return visibleText(line.length > longest ? `${line.slice(0, longest - 1).trimEnd()}…` : line);
}
