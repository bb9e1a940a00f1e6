import * as vscode from "vscode";
import type { Derivation } from "../core/records.ts";
import { foreignSession } from "../core/sessionSource.ts";
import { chooseSession } from "./chooseSession.ts";
import { chooseStep, selectorOf } from "./chooseStep.ts";
import type { CommandParts } from "./commandParts.ts";
import { showReplay } from "./showReplay.ts";

/** A new session that has a life of its own from a step on. */
export async function forkSession(
  parts: CommandParts,
  argument: unknown,
): Promise<string | undefined> {
  return derive(parts, argument, "fork");
}

/** A new session that goes through a recorded one again from a step on. */
export async function replayFromStep(
  parts: CommandParts,
  argument: unknown,
): Promise<string | undefined> {
  return derive(parts, argument, "replay");
}

/** Shows why a step ran or was served, beside its block of the replay. */
export async function explainStep(
  { known, replays }: CommandParts,
  argument: unknown,
): Promise<void> {
  const chosen = await chooseSession(known, argument, { states: null, verb: "explain a step of" });
  if (chosen === undefined) return;
  const view = await known.view(chosen.session);
  const step = await chooseStep(view, argument, "Step to explain");
  if (step === undefined) return;
  await showReplay(replays, chosen, step);
  await vscode.commands.executeCommand("editor.action.showHover");
}

async function derive(
  { known, runs, replays }: CommandParts,
  argument: unknown,
  mode: Derivation["mode"],
): Promise<string | undefined> {
  const states = ["running", "waiting", "interrupted", "completed", "failed", "cancelled"] as const;
  const chosen = await chooseSession(known, argument, { states, verb: mode });
  if (chosen === undefined) return;
  const { session, goal, state } = chosen;
  if (state === "readOnly") throw foreignSession(session);
  const step = await chooseStep(
    await known.view(session),
    argument,
    `Step that the ${mode} begins with: everything before it is served from the recording`,
  );
  if (step === undefined) return;
  const sessions = await known.sessionsOf(session);
  const run = await sessions.derive(session, {
    mode,
    at: selectorOf(step),
    overrides: [],
    skip: [],
    onMiss: "fail",
  });
  runs.start(run);
  await showReplay(replays, { session: run.session, goal }, null);
  return run.session;
}
