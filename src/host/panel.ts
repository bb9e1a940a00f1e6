import * as vscode from "vscode";
import { CairnError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { Clock } from "../core/timeLeft.ts";
import type { WaitFacts } from "../core/sessions.ts";
import type { Answer } from "../core/waitAnswer.ts";
import type { FromPanel, ToPanel } from "../protocol.ts";
import { giveAnswer, type AnsweringParts } from "./answering.ts";
import type { KnownWait } from "./knownSessions.ts";
import { PanelDoor, type ShownWait } from "./panelDoor.ts";
import { panelHtml } from "./panelHtml.ts";
import { factsOf, panelWait } from "./panelWait.ts";
import { showError } from "./showError.ts";
import { WaitNews } from "./waitNews.ts";

export interface PanelParts extends AnsweringParts {
  readonly extension: vscode.Uri;
  readonly log: Log;
  readonly world: Clock;
  /** Shows how many wait while the panel was never opened, and so has no badge of its own. */
  readonly badge: (badge: vscode.ViewBadge | undefined) => void;
}

type AnswerMessage = Extract<FromPanel, { kind: "answer" | "abort" }>;

/** The approvals view: carries open waits out and answers in. Decides nothing. */
export class Panel implements vscode.WebviewViewProvider, vscode.Disposable {
  readonly #parts: PanelParts;
  readonly #changes: vscode.Disposable;
  readonly #door = new PanelDoor(() => performance.now());
  readonly #news: WaitNews;
  #view: vscode.WebviewView | null = null;
  /** A message to a page whose script does not run yet is dropped. */
  #ready = false;
  #focus = false;
  #waits: readonly KnownWait[] = [];
  #facts: ReadonlyMap<string, WaitFacts | null> = new Map();
  #updating = Promise.resolve();

  constructor(parts: PanelParts) {
    this.#parts = parts;
    this.#news = new WaitNews(
      async () => parts.known.waits(),
      async () => this.show(),
    );
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
      const message = this.#door.read(raw, log);
      if (message === null) return;
      this.#receive(message).catch(async (error: unknown) => showError(error, log));
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
    this.#news.dispose();
  }

  async #update(): Promise<void> {
    const { known, runs, log } = this.#parts;
    const before = new Set(this.#waits.map(({ record }) => keyOf(record)));
    const waits = await known.waits();
    const facts = waits.map(async (wait) => {
      const key = keyOf(wait.record);
      return [key, this.#facts.get(key) ?? (await factsOf(known, wait, log))] as const;
    });
    this.#facts = new Map(await Promise.all(facts));
    this.#waits = waits;
    const news = waits.filter(({ record }) => !before.has(keyOf(record)));
    if (news.length === 0 && waits.length === before.size) return;
    this.#showBadge();
    this.#post();
    if (news.length === 0) return;
    const expected = news.some(({ record }) => runs.startedHere(record.session));
    if (expected) await this.show();
    const looks = vscode.window.state.focused && (expected || this.#view?.visible === true);
    if (!looks) this.#news.tell();
  }

  async #receive(message: FromPanel): Promise<void> {
    switch (message.kind) {
      case "ready":
        this.#ready = true;
        this.#door.reset();
        this.#post();
        await this.#parts.known.refresh();
        break;
      case "answer":
        await this.#answer(message, { value: message.answer });
        break;
      case "abort":
        await this.#answer(message, { value: null, ended: "aborted" });
        break;
      case "openReplay":
        await vscode.commands.executeCommand("cairn.replaySession", { session: message.session });
        break;
    }
  }

  async #answer(shown: AnswerMessage, given: Pick<Answer, "value" | "ended">): Promise<void> {
    const { session, wait, digest } = shown;
    try {
      this.#door.take(shown);
      await giveAnswer(this.#parts, session, { wait, digest, ...given, surface: "panel" });
    } catch (error) {
      if (!CairnError.is(error)) throw error;
      this.#parts.log(`${error.code}: ${error.message}`);
      const known = this.#waits.some(({ record }) => keyOf(record) === keyOf(shown));
      const nonce = known ? this.#door.nonceFor(shown) : null;
      await this.#send({ kind: "refused", session, wait, sentence: error.message, nonce });
      await this.#parts.known.refresh();
    }
  }

  #post(): void {
    if (!this.#ready) return;
    const { world } = this.#parts;
    this.#door.keepOnly(this.#waits.map(({ record }) => record));
    const waits = this.#waits.map((wait) => {
      const facts = this.#facts.get(keyOf(wait.record)) ?? null;
      return panelWait(wait, { facts, nonce: this.#door.nonceFor(wait.record), world });
    });
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

function keyOf({ session, wait, digest }: ShownWait): string {
  return [session, wait, digest].join("\n");
}
