import * as vscode from "vscode";
import { bytesInWords } from "../core/bytesInWords.ts";
import type { CallView, TurnView } from "../core/replay.ts";
import { visibleText } from "../core/visibleText.ts";
import { stateInWords } from "./chooseSession.ts";
import type { KnownSession, KnownSessions, Problem } from "./knownSessions.ts";
import { callSummary, duration } from "./callWords.ts";
import { isCheckpoint } from "./replayText.ts";
import { shortened } from "./runs.ts";

type Node =
  | { readonly kind: "session"; readonly session: string; readonly known: KnownSession }
  | {
      readonly kind: "turn";
      readonly session: string;
      readonly turn: TurnView;
      readonly known: KnownSession;
    }
  | {
      readonly kind: "call";
      readonly session: string;
      /** Where a command that the person chooses here begins. */
      readonly step: string;
      readonly call: CallView;
      readonly known: KnownSession;
    }
  | { readonly kind: "problem"; readonly problem: Problem };

const stateIcons: Readonly<Record<KnownSession["state"], readonly [string, string?]>> = {
  running: ["loading~spin"],
  waiting: ["bell-dot", "notificationsWarningIcon.foreground"],
  interrupted: ["debug-disconnect", "notificationsWarningIcon.foreground"],
  completed: ["pass", "testing.iconPassed"],
  failed: ["error", "testing.iconFailed"],
  cancelled: ["circle-slash"],
  readOnly: ["archive"],
};

const callIcons: Readonly<Record<string, string>> = {
  exec: "terminal",
  read_file: "file",
  write_file: "new-file",
  edit_file: "edit",
  list_files: "list-tree",
  search: "search",
  ask_question: "question",
  skill: "book",
};

/** Sessions, their turns and their calls, newest session first. */
export class SessionsTree implements vscode.TreeDataProvider<Node> {
  readonly #known: KnownSessions;

  constructor(known: KnownSessions) {
    this.#known = known;
  }

  readonly onDidChangeTreeData: vscode.Event<void> = (listener, self, disposables) =>
    this.#known.onDidChange(listener, self, disposables);

  async getChildren(parent?: Node): Promise<Node[]> {
    if (parent === undefined) {
      return [
        ...this.#known.problems.map((problem) => ({ kind: "problem", problem }) as const),
        ...this.#known.all.map(
          (known) => ({ kind: "session", session: known.session, known }) as const,
        ),
      ];
    }
    if (parent.kind === "problem" || parent.kind === "call") return [];
    const { session, known } = parent;
    if (parent.kind === "turn") {
      const { calls } = parent.turn;
      return calls.map((call) => ({ kind: "call", session, step: call.step, call, known }));
    }
    const { turns } = await this.#known.view(session);
    return turns.map((turn) => ({ kind: "turn", session, turn, known }));
  }

  /** The tooltip is made when it is asked for: the size is looked up in the store. */
  async resolveTreeItem(item: vscode.TreeItem, node: Node): Promise<vscode.TreeItem> {
    if (node.kind !== "session") return item;
    const { session, goal, startedAt, records } = node.known;
    const sizes = await (await this.#known.sessionsOf(session)).sizes();
    const size = bytesInWords(sizes.get(session) ?? 0);
    item.tooltip = [
      `${visibleText(goal)}\n`,
      `${stateInWords(node.known)}, ${records} records, ${size} of its own`,
      `Started ${new Date(startedAt).toLocaleString()}`,
      session,
    ].join("\n");
    return item;
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case "session":
        return sessionItem(node.known);
      case "turn":
        return turnItem(node.known, node.turn);
      case "call":
        return callItem(node.known, node.call);
      case "problem":
        return problemItem(node.problem);
    }
  }
}

function sessionItem(known: KnownSession): vscode.TreeItem {
  const { session, goal, state } = known;
  const item = new vscode.TreeItem(shortened(goal, 24), vscode.TreeItemCollapsibleState.Collapsed);
  const [icon, color] = stateIcons[state];
  item.id = session;
  item.description = stateInWords(known);
  item.iconPath = themeIcon(icon, color);
  item.contextValue = `session.${state}`;
  return item;
}

function turnItem(
  { session, goal }: KnownSession,
  { turn, prompt, calls }: TurnView,
): vscode.TreeItem {
  const label = turn === 0 ? "Steps" : `Turn ${turn}`;
  const item = new vscode.TreeItem(label, vscode.TreeItemCollapsibleState.Collapsed);
  const number = `${calls.length} ${calls.length === 1 ? "call" : "calls"}`;
  item.id = `${session}/${turn}`;
  item.description =
    prompt === "" || prompt === goal ? number : `${number} · ${shortened(prompt, 40)}`;
  item.iconPath = themeIcon("layers");
  return item;
}

function callItem({ session, state }: KnownSession, call: CallView): vscode.TreeItem {
  const model = call.kind === "model";
  const item = new vscode.TreeItem(model ? "Model" : visibleText(call.name));
  const what = shortened(callSummary(call));
  const took = call.output === null ? "no outcome yet" : duration(call.durationMs);
  item.id = `${session}/${call.step}`;
  item.description = what === "" ? took : `${what} · ${took}`;
  item.tooltip = `${call.step}, ${took}`;
  if (isCheckpoint(call) && state !== "readOnly") item.contextValue = "checkpoint";
  const icon = model ? "sparkle" : (callIcons[call.name] ?? "tools");
  item.iconPath = themeIcon(icon, call.ok ? undefined : "testing.iconFailed");
  item.command = {
    title: "Replay",
    command: "cairn.replaySession",
    arguments: [{ session, step: call.step }],
  };
  return item;
}

function problemItem({ folder, session, reason }: Problem): vscode.TreeItem {
  const item = new vscode.TreeItem(session === "" ? `Sessions of ${folder.name}` : session);
  item.description = reason;
  item.tooltip = reason;
  item.iconPath = themeIcon("warning", "notificationsErrorIcon.foreground");
  return item;
}

function themeIcon(name: string, color?: string): vscode.ThemeIcon {
  return new vscode.ThemeIcon(name, color === undefined ? undefined : new vscode.ThemeColor(color));
}
