import type { WorkerState } from "../core/workerStatus.ts";

/** What happens to a worker, in the words of its log. */
export type WorkerEvent =
  | "spawn"
  | "spawned"
  | "healthy"
  | "registered"
  | "task"
  | "result"
  | "missed"
  | "beat"
  | "lost"
  | "shutdown"
  | "terminated";

/** Every way from one state to another; what is not listed does not change the state. */
const life: Readonly<Record<WorkerState, Partial<Record<WorkerEvent, WorkerState>>>> = {
  down: { spawn: "spawning" },
  spawning: { spawned: "checking", lost: "lost", shutdown: "stopping" },
  checking: { healthy: "registering", lost: "lost", shutdown: "stopping" },
  registering: { registered: "ready", lost: "lost", shutdown: "stopping" },
  ready: { task: "busy", lost: "lost", shutdown: "stopping" },
  busy: { result: "ready", missed: "silent", lost: "lost", shutdown: "stopping" },
  silent: { beat: "busy", result: "ready", lost: "lost", shutdown: "stopping" },
  stopping: { terminated: "down" },
  lost: { spawn: "spawning", shutdown: "stopping" },
};

/** The state after an event; null when the event means nothing in this state. */
export function stateAfter(state: WorkerState, event: WorkerEvent): WorkerState | null {
  return life[state][event] ?? null;
}
