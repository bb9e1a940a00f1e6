import * as vscode from "vscode";
import { CairnError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { Failure } from "../core/records.ts";
import { messageText } from "./messageText.ts";

/** A button under a message. */
interface Action {
  readonly title: string;
  readonly command: string;
  readonly argument?: string;
}

const showLog: Action = { title: "Show Log", command: "cairn.showLog" };
const setKey: Action = { title: "Set API Key", command: "cairn.setApiKey" };
const setSecret: Action = { title: "Set Secret", command: "cairn.setSecret" };
const settings = "workbench.action.openSettings";

/** The way out that fits a code; by the whole code first, then by its first word. */
const actions: Readonly<Record<string, Action>> = {
  "workspace.none": { title: "Open Folder", command: "vscode.openFolder" },
  "workspace.untrusted": { title: "Manage Trust", command: "workbench.trust.manage" },
  "model.noKey": setKey,
  "model.unauthorized": setKey,
  "secret.missing": setSecret,
  model: { title: "Open Settings", command: settings, argument: "cairn.model" },
  sandbox: { title: "Open Settings", command: settings, argument: "cairn.sandbox" },
  skills: { title: "Open Settings", command: settings, argument: "cairn.skills" },
  usage: { title: "Open Settings", command: settings, argument: "cairn" },
  profile: { title: "Open Settings", command: settings, argument: "cairn.profile" },
};

/** One sentence with its code and a way out. What is not a `CairnError` is a bug, and says so. */
export async function showError(error: unknown, log: Log): Promise<void> {
  if (CairnError.is(error)) {
    await showFailure(error, log);
    return;
  }
  log(error instanceof Error ? (error.stack ?? error.message) : String(error));
  const what = error instanceof Error ? error.message : String(error);
  await show(`Cairn hit a bug: ${what}`, showLog);
}

/** The same for a failure that is on record. */
export async function showFailure(
  { code, message }: Pick<Failure, "code" | "message">,
  log: Log,
): Promise<void> {
  log(`${code}: ${message}`);
  const [area = ""] = code.split(".");
  await show(`${message} (${code})`, actions[code] ?? actions[area] ?? showLog);
}

async function show(sentence: string, action: Action): Promise<void> {
  const chosen = await vscode.window.showErrorMessage(messageText(sentence), action.title);
  if (chosen === undefined) return;
  const { command, argument } = action;
  await vscode.commands.executeCommand(command, ...(argument === undefined ? [] : [argument]));
}
