import { userInfo } from "node:os";
import * as vscode from "vscode";
import type { Identity } from "../core/records.ts";

/** Accounts that the editor may have, and what it takes to be told of one: nothing but its name. */
const providers = [
  ["github", "user:email"],
  ["microsoft", "email"],
] as const;

/** Who sits at this window: the account that the editor is signed in with, else the user of this machine. */
export class Operator implements vscode.Disposable {
  readonly #changes: vscode.Disposable;
  #user = userInfo().username;

  constructor() {
    this.#changes = vscode.authentication.onDidChangeSessions(() => void this.#look());
    void this.#look();
  }

  /** As of now: an answer never waits for an account to be looked up. */
  by(surface: Identity["surface"]): Identity {
    return { user: this.#user, surface };
  }

  dispose(): void {
    this.#changes.dispose();
  }

  /** Never asks anybody, and never shows that it would like to. */
  async #look(): Promise<void> {
    for (const [provider, scope] of providers) {
      try {
        const session = await vscode.authentication.getSession(provider, [scope], { silent: true });
        if (session === undefined) continue;
        this.#user = `${session.account.label}@${provider}`;
        return;
      } catch {
        // An editor without this kind of account.
      }
    }
    this.#user = userInfo().username;
  }
}
