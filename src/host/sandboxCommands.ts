import * as vscode from "vscode";
import { CairnError } from "../core/errors.ts";
import type { SandboxTerminal } from "../core/ports.ts";
import type { Sessions } from "../core/sessions.ts";
import { chooseSession } from "./chooseSession.ts";
import type { CommandParts } from "./commandParts.ts";
import { requireTrust } from "./folders.ts";
import { shortened } from "./runs.ts";

const usualScreen = { columns: 80, rows: 24 };

/** Opens what a session's sandbox was told and did. */
export async function openSandboxLog({ known }: CommandParts, argument: unknown): Promise<void> {
  const chosen = await chooseSession(known, argument, { states: null, verb: "look at" });
  if (chosen === undefined) return;
  const files = await (await known.sessionsOf(chosen.session)).runtimeLog(chosen.session);
  const newest = files.at(-1);
  if (newest === undefined) {
    void vscode.window.showInformationMessage("The sandbox of this session never ran here.");
    return;
  }
  await vscode.window.showTextDocument(vscode.Uri.file(newest), { preview: true });
}

/** Forgets the approval of a folder's dev container and what was built of it. */
export async function rebuildContainer({ folders }: CommandParts): Promise<void> {
  requireTrust();
  const folder = await folders.choose("Folder whose dev container is built again");
  if (folder === undefined) return;
  const sessions = await folders.sessions(folder);
  await sessions.rebuildContainer();
  void vscode.window.showInformationMessage(
    "The next session asks for the dev container again, and builds it anew.",
  );
}

/** A shell of one's own in the sandbox of a session, beside the agent's. */
export async function openSandboxTerminal(
  { known }: CommandParts,
  argument: unknown,
): Promise<void> {
  const states = ["running", "waiting"] as const;
  const chosen = await chooseSession(known, argument, { states, verb: "open a terminal in" });
  if (chosen === undefined) return;
  const sessions = await known.sessionsOf(chosen.session);
  if (!sessions.isLive(chosen.session)) {
    throw new CairnError(
      "sandbox.unavailable",
      "The sandbox of this session does not run in this window. It runs while the session does, and ten minutes longer while it waits.",
    );
  }
  const pty = new SandboxPty(sessions, chosen.session);
  vscode.window
    .createTerminal({ name: `Sandbox: ${shortened(chosen.goal, 30)}`, pty, isTransient: true })
    .show();
}

/** Joins a terminal of the editor with a shell in a sandbox. */
class SandboxPty implements vscode.Pseudoterminal {
  readonly #sessions: Sessions;
  readonly #session: string;
  readonly #writes = new vscode.EventEmitter<string>();
  readonly #closes = new vscode.EventEmitter<void>();
  readonly #decoder = new TextDecoder();
  #terminal: SandboxTerminal | null = null;
  #typed = "";
  #closed = false;

  constructor(sessions: Sessions, session: string) {
    this.#sessions = sessions;
    this.#session = session;
  }

  readonly onDidWrite = this.#writes.event;
  readonly onDidClose = this.#closes.event;

  open(size: vscode.TerminalDimensions | undefined): void {
    void this.#join(size ?? usualScreen);
  }

  close(): void {
    this.#closed = true;
    this.#terminal?.close();
    this.#writes.dispose();
    this.#closes.dispose();
  }

  handleInput(text: string): void {
    if (this.#terminal === null) this.#typed += text;
    else this.#terminal.write(text);
  }

  setDimensions({ columns, rows }: vscode.TerminalDimensions): void {
    this.#terminal?.resize(columns, rows);
  }
  /** What was typed before the shell is there waits for it. */
  async #join(size: vscode.TerminalDimensions): Promise<void> {
    try {
      const terminal = await this.#sessions.terminal(this.#session, {
        columns: size.columns,
        rows: size.rows,
        show: (bytes) => this.#writes.fire(this.#decoder.decode(bytes, { stream: true })),
        ended: () => this.#closes.fire(),
      });
      if (this.#closed) {
        terminal.close();
        return;
      }
      this.#terminal = terminal;
      if (this.#typed !== "") terminal.write(this.#typed);
    } catch (error) {
      const sentence = error instanceof Error ? error.message : String(error);
      this.#writes.fire(`${sentence}\r\n`);
    }
  }
}
