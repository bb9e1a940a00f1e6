import * as vscode from "vscode";
import type { Log } from "../core/ports.ts";

/** The log channel of the editor. Gets sentences and ids, never a secret. */
export interface LogChannel extends vscode.Disposable {
  readonly write: Log;
  show(): void;
}

export function openLog(): LogChannel {
  const channel = vscode.window.createOutputChannel("Cairn", { log: true });
  return {
    write: (line) => channel.info(line),
    show: () => channel.show(),
    dispose: () => channel.dispose(),
  };
}
