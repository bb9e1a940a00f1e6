import * as vscode from "vscode";
import type { WorkerStatus } from "../core/workerStatus.ts";
import type { KnownSessions } from "./knownSessions.ts";
import { inline } from "./plainMarkdown.ts";
import { shortened } from "./runs.ts";

type Statuses = () => Promise<readonly WorkerStatus[]>;

/** How often the figures of running sandboxes are looked at, as long as there are any. */
const everyMs = 3000;

/** How many sessions run and wait, and what their sandboxes do; not there when none does. */
export function statusBar(known: KnownSessions, statuses: Statuses): vscode.Disposable {
  const item = vscode.window.createStatusBarItem("cairn.status", vscode.StatusBarAlignment.Left);
  item.name = "Cairn";
  item.command = "cairn.showApprovals";
  let timer: NodeJS.Timeout | undefined;
  const show = async (): Promise<void> => {
    clearTimeout(timer);
    const running = known.all.filter(({ state }) => state === "running").length;
    const waiting = (await known.waits()).length;
    const parts = [
      running > 0 ? `$(sync~spin) ${running} running` : "",
      waiting > 0 ? `$(bell-dot) ${waiting} waiting` : "",
    ].filter((part) => part !== "");
    item.text = `Cairn: ${parts.join("  ")}`;
    item.backgroundColor =
      waiting > 0 ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
    if (parts.length > 0) item.show();
    else item.hide();
    const workers = await statuses();
    item.tooltip = tooltip({ running, waiting }, known, workers);
    clearTimeout(timer);
    if (workers.length > 0) timer = setTimeout(() => void show(), everyMs);
  };
  void show();
  return vscode.Disposable.from(
    item,
    known.onDidChange(() => void show()),
    { dispose: () => clearTimeout(timer) },
  );
}

function tooltip(
  { running, waiting }: { readonly running: number; readonly waiting: number },
  known: KnownSessions,
  workers: readonly WorkerStatus[],
): vscode.MarkdownString {
  const counts = `Sessions of Cairn: ${running} running. ${waiting === 1 ? "1 question waits" : `${waiting} questions wait`} for you. Click for what they ask.`;
  const goals = new Map(known.all.map(({ session, goal }) => [session, goal]));
  const lines = workers.map((worker) => workerLine(worker, goals.get(worker.session) ?? ""));
  return new vscode.MarkdownString([counts, ...lines].join("\n\n"));
}

/** One sandbox: session, task, memory, CPU. */
function workerLine(worker: WorkerStatus, goal: string): string {
  const { session, state, backend, task, memoryBytes, cpuMs } = worker;
  return [
    inline(shortened(goal === "" ? session : goal)),
    `${backend} sandbox ${state}`,
    ...(task === null ? [] : [inline(shortened(task.command))]),
    ...(memoryBytes === null ? [] : [`${(memoryBytes / 1e6).toFixed(0)} MB`]),
    ...(cpuMs === null ? [] : [`${(cpuMs / 1000).toFixed(1)} s CPU`]),
  ].join(" · ");
}
