import { userInfo } from "node:os";
import * as vscode from "vscode";
import { CairnError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { Answer } from "../core/waitAnswer.ts";
import { fromPanel, type ToPanel } from "../protocol.ts";
import type { KnownSessions, KnownWait } from "./knownSessions.ts";
import { panelHtml } from "./panelHtml.ts";
import { panelWait } from "./panelWait.ts";
import { shortened, type Runs } from "./runs.ts";
import { showError } from "./showError.ts";

export interface PanelParts {
  readonly extension: vscode.Uri;
  readonly known: KnownSessions;
  readonly runs: Runs;
  readonly log: Log;
  /** Shows how many wait while the panel was never opened, and so has no badge of its own. */
  readonly badge: (badge: vscode.ViewBadge | undefined) => void;
}

/** The approvals view: carries open waits out and answers in. Decides nothing. */
export class Panel implements vscode.WebviewViewProvider, vscode.Disposable {
  readonly #parts: PanelParts;
  readonly #changes: vscode.Disposable;
  #view: vscode.WebviewView | null = null;
  /** A message to a page whose script does not run yet is dropped. */
  #ready = false;
  #focus = false;
  #waits: readonly KnownWait[] = [];
  #updating = Promise.resolve();

  constructor(parts: PanelParts) {
    this.#parts = parts;
    this.#changes = parts.known.onDidChange(() => {
      this.#updating = this.#updating
        .then(async () => this.#update())
        .catch(async (error: unknown) => showError(error, parts.log));
    });
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    const { extension, known, log } = this.#parts;
    this.#view = view;
    this.#ready = false;
    const { webview } = view;
    webview.options = {
      enableScripts: true,
      enableCommandUris: ["cairn.newSession", "cairn.runDemoSession"],
      localResourceRoots: [vscode.Uri.joinPath(extension, "dist")],
    };
    webview.onDidReceiveMessage((raw: unknown) => {
      this.#receive(raw).catch(async (error: unknown) => showError(error, log));
    });
    view.onDidChangeVisibility(() => {
      if (view.visible) void known.refresh();
    });
    view.onDidDispose(() => {
      this.#view = null;
    });
    webview.html = panelHtml(webview, extension);
    this.#showBadge();
  }

  /** Brings the view to the front, with the oldest card focused. */
  async show(): Promise<void> {
    this.#focus = true;
    await vscode.commands.executeCommand("cairn.approvals.focus");
    this.#post();
  }

  dispose(): void {
    this.#changes.dispose();
  }

  async #update(): Promise<void> {
    const before = new Set(this.#waits.map(keyOf));
    this.#waits = await this.#parts.known.waits();
    const news = this.#waits.filter((wait) => !before.has(keyOf(wait)));
    if (news.length === 0 && this.#waits.length === before.size) return;
    this.#showBadge();
    this.#post();
    const [first] = news;
    if (first === undefined) return;
    if (news.some(({ record }) => this.#parts.runs.startedHere(record.session))) await this.show();
    else if (this.#view?.visible !== true) void this.#announce(first, news.length - 1);
  }

  async #announce({ record, goal }: KnownWait, more: number): Promise<void> {
    const others = more > 0 ? ` And ${more} more.` : "";
    const choice = await vscode.window.showInformationMessage(
      `A session waits for you: ${shortened(goal)} · ${shortened(record.question)}${others}`,
      "Show",
    );
    if (choice !== undefined) await this.show();
  }

  async #receive(raw: unknown): Promise<void> {
    const message = fromPanel.parse(raw);
    switch (message.kind) {
      case "ready":
        this.#ready = true;
        this.#post();
        await this.#parts.known.refresh();
        break;
      case "answer": {
        const { session, wait, digest, answer: value } = message;
        await this.#answer(session, { wait, digest, value });
        break;
      }
      case "abort": {
        const { session, wait, digest } = message;
        await this.#answer(session, { wait, digest, value: null, ended: "aborted" });
        break;
      }
      case "openReplay":
        await vscode.commands.executeCommand("cairn.replaySession", { session: message.session });
        break;
    }
  }

  async #answer(session: string, answer: Omit<Answer, "by">): Promise<void> {
    const { known, runs } = this.#parts;
    try {
      const sessions = await known.sessionsOf(session);
      const by = { user: userInfo().username, surface: "panel" } as const;
      await runs.follow(await sessions.answer(session, { ...answer, by }));
    } catch (error) {
      if (!CairnError.is(error)) throw error;
      this.#parts.log(`${error.code}: ${error.message}`);
      await this.#send({
        kind: "refused",
        session,
        wait: answer.wait,
        sentence: error.message,
      });
      await known.refresh();
    }
  }

  #post(): void {
    if (!this.#ready) return;
    const now = Date.now();
    const waits = this.#waits.map((wait) => panelWait(wait, now));
    void this.#send({ kind: "waits", waits, focus: this.#focus });
    this.#focus = false;
  }

  async #send(message: ToPanel): Promise<void> {
    await this.#view?.webview.postMessage(message);
  }

  #showBadge(): void {
    const value = this.#waits.length;
    const tooltip = `${value} ${value === 1 ? "question waits" : "questions wait"} for you`;
    const badge = value === 0 ? undefined : { value, tooltip };
    if (this.#view !== null) this.#view.badge = badge;
    this.#parts.badge(this.#view === null ? badge : undefined);
  }
}

function keyOf({ record }: KnownWait): string {
  return [record.session, record.wait, record.digest].join("\n");
}
