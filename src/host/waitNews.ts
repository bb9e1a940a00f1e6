import * as vscode from "vscode";
import type { KnownWait } from "./knownSessions.ts";
import { messageText } from "./messageText.ts";
import { shortened } from "./runs.ts";

/** What comes in one burst is one message. */
const settleMs = 400;

/** Tells a person who does not look that something waits: one message at a time, whatever comes. */
export class WaitNews implements vscode.Disposable {
  readonly #open: () => Promise<readonly KnownWait[]>;
  readonly #show: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #told = false;

  /** `open` gives what waits now, `show` brings it to the front. */
  constructor(open: () => Promise<readonly KnownWait[]>, show: () => Promise<void>) {
    this.#open = open;
    this.#show = show;
  }

  /** Something new waits, and nobody looks. */
  tell(): void {
    if (this.#told) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#say();
    }, settleMs);
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  async #say(): Promise<void> {
    const waits = await this.#open();
    if (waits.length === 0) return;
    this.#told = true;
    try {
      const choice = await vscode.window.showInformationMessage(sentence(waits), "Show");
      if (choice !== undefined) await this.#show();
    } finally {
      this.#told = false;
    }
  }
}

/** In our words: what a model asks is read where it is shown as such. */
function sentence(waits: readonly KnownWait[]): string {
  const goals = [...new Set(waits.map(({ goal }) => goal))];
  const [goal = ""] = goals;
  const more = goals.length > 1 ? ` and ${goals.length - 1} more` : "";
  const count = waits.length === 1 ? "1 question waits" : `${waits.length} questions wait`;
  return messageText(`Cairn: ${count} for you, of “${shortened(goal)}”${more}.`);
}
