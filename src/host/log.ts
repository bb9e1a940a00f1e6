import * as vscode from "vscode";
import type { Log } from "../core/ports.ts";
import { visibleText } from "../core/visibleText.ts";

/** The log channel of the editor. Keeps no secret. */
export interface LogChannel extends vscode.Disposable {
  readonly write: Log;
  show(): void;
}

/** `clean` takes out of a line what must not be kept. */
export function openLog(clean: (line: string) => string): LogChannel {
  const channel = vscode.window.createOutputChannel("Cairn", { log: true });
  return {
    write: (line) => channel.info(visibleText(clean(line))),
    show: () => channel.show(),
    dispose: () => channel.dispose(),
  };
}
