import * as vscode from "vscode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import { demoGoal, type StartRequest } from "../core/sessions.ts";
import { verifyAuditLog } from "./auditCommands.ts";
import { answerFromList } from "./answerPick.ts";
import { exportSession, importSession } from "./bundleCommands.ts";
import { chooseRuntime } from "./chooseRuntime.ts";
import { chooseSession } from "./chooseSession.ts";
import type { CommandParts } from "./commandParts.ts";
import { explainStep, forkSession, replayFromStep } from "./deriveCommands.ts";
import { requireTrust, type Folder } from "./folders.ts";
import { openSandboxLog, openSandboxTerminal, rebuildContainer } from "./sandboxCommands.ts";
import { revokeGrants, showRules } from "./ruleCommands.ts";
import { showSandboxPolicy } from "./sandboxPolicy.ts";
import { forgetSecret, setSecret } from "./namedSecrets.ts";
import { askApiKey } from "./secrets.ts";
import { cancelSession, deleteSession, retrySession } from "./sessionCommands.ts";
import { profileOf, readSettings } from "./settings.ts";
import { showError } from "./showError.ts";
import { showReplay } from "./showReplay.ts";
import { diffToNow, diffToStep, openOutput, showFilesAtStep } from "./stepCommands.ts";
import { deleteOldSessions, verifyStore } from "./storeCommands.ts";

/** Every command of the extension. A failure is one sentence, shown and logged. */
export function registerCommands(parts: CommandParts): vscode.Disposable {
  const table: Readonly<Record<string, (argument: unknown) => Promise<unknown>>> = {
    newSession: async () => newSession(parts),
    runDemoSession: async () => runDemoSession(parts),
    answerQuestion: async (argument) =>
      answerFromList({ ...parts, log: parts.log.write }, argument),
    showApprovals: async () => parts.panel.show(),
    resumeSession: async (argument) => resumeSession(parts, argument),
    retrySession: async (argument) => retrySession(parts, argument),
    stopSession: async (argument) => stopSession(parts, argument),
    cancelSession: async (argument) => cancelSession(parts, argument),
    replaySession: async (argument) => replaySession(parts, argument),
    replayFromStep: async (argument) => replayFromStep(parts, argument),
    forkSession: async (argument) => forkSession(parts, argument),
    explainStep: async (argument) => explainStep(parts, argument),
    undoApply: async (argument) => undoApply(parts, argument),
    applyChanges: async (argument) => applyChanges(parts, argument),
    deleteSession: async (argument) => deleteSession(parts, argument),
    exportSession: async (argument) => exportSession(parts, argument),
    importSession: async () => importSession(parts),
    verifyStore: async () => verifyStore(parts),
    verifyAuditLog: async () => verifyAuditLog(parts),
    deleteOldSessions: async () => deleteOldSessions(parts),
    setApiKey: async () => setApiKey(parts),
    setSecret: async () => setSecret(parts),
    forgetSecret: async () => forgetSecret(parts),
    openSandboxLog: async (argument) => openSandboxLog(parts, argument),
    openSandboxTerminal: async (argument) => openSandboxTerminal(parts, argument),
    rebuildContainer: async () => rebuildContainer(parts),
    showSandboxPolicy: async () => showSandboxPolicy(parts),
    showRules: async () => showRules(parts),
    revokeGrants: async () => revokeGrants(parts),
    chooseRuntime: async () => chooseRuntime(parts.folders),
    showLog: async () => parts.log.show(),
    openOutput: async (argument) => openOutput(parts, argument),
    showFilesAtStep: async (argument) => showFilesAtStep(parts, argument),
    diffToNow: async (argument) => diffToNow(parts, argument),
    diffToStep: async (argument) => diffToStep(parts, argument),
  };
  const registered = Object.entries(table).map(([name, run]) =>
    vscode.commands.registerCommand(`cairn.${name}`, async (argument: unknown) => {
      try {
        return await run(argument);
      } catch (error) {
        void showError(error, parts.log.write);
        return undefined;
      }
    }),
  );
  return vscode.Disposable.from(...registered);
}

async function newSession(parts: CommandParts): Promise<string | undefined> {
  const folder = await chooseFolder(parts);
  if (folder === undefined) return;
  const settings = readSettings(folder.uri);
  const name = settings["model.name"];
  if (name === "") {
    throw new CairnError(
      "usage.invalid",
      "No model is chosen. Set cairn.model.name, or run the demo session: it needs none.",
    );
  }
  const goal = await vscode.window.showInputBox({
    title: "New Session",
    prompt: "What should the agent do? It works on a copy of the folder.",
    placeHolder: "Find out why the build fails, and mend it",
    ignoreFocusOut: true,
  });
  if (goal === undefined || goal.trim() === "") return;
  const model = { demo: false, url: settings["model.url"], name } as const;
  return start(parts, folder, { prompts: [goal.trim()], model });
}

async function runDemoSession(parts: CommandParts): Promise<string | undefined> {
  const folder = await chooseFolder(parts);
  if (folder === undefined) return;
  return start(parts, folder, { prompts: [demoGoal], model: { demo: true } });
}

async function start(
  { folders, runs, news }: CommandParts,
  folder: Folder,
  { prompts, model }: Pick<StartRequest, "prompts" | "model">,
): Promise<string> {
  const settings = readSettings(folder.uri);
  const source = settings["skills.source"];
  const sessions = await folders.sessions(folder);
  const choice = {
    exclude: settings["workspace.exclude"],
    include: settings["workspace.include"],
  };
  news.tellLeftOut(folder, await sessions.survey(choice));
  const profile = await profileOf(settings);
  news.tellRules((await sessions.rules.list()).notices);
  const run = await vscode.window.withProgress(
    { location: { viewId: "cairn.sessions" } },
    async () =>
      sessions.start({
        prompts,
        model,
        profile,
        sandbox: settings["sandbox.backend"],
        devContainer: settings["sandbox.devContainer"],
        skills: source === "" ? null : source,
        ...choice,
      }),
  );
  return runs.start(run);
}

async function resumeSession(
  { known, runs, panel }: CommandParts,
  argument: unknown,
): Promise<string | undefined> {
  const states = ["interrupted", "waiting"] as const;
  const chosen = await chooseSession(known, argument, { states, verb: "resume" });
  if (chosen === undefined) return;
  const { session, state } = chosen;
  if (state === "waiting") {
    await panel.show();
    return session;
  }
  const sessions = await known.sessionsOf(session);
  return runs.start(await sessions.resume(session));
}

async function stopSession({ known }: CommandParts, argument: unknown): Promise<void> {
  const filter = { states: ["running"], verb: "stop" } as const;
  const chosen = await chooseSession(known, argument, filter);
  if (chosen === undefined) return;
  const { session } = chosen;
  const stopped = await (await known.sessionsOf(session)).stop(session);
  if (!stopped) {
    throw new CairnError(
      "session.busy",
      `Session ${session} is not run by this window. Stop it where it was started.`,
    );
  }
  await known.refresh();
}

async function applyChanges(
  { known, runs }: CommandParts,
  argument: unknown,
): Promise<string | undefined> {
  const states = ["completed", "failed", "cancelled"] as const;
  const chosen = await chooseSession(known, argument, { states, verb: "apply" });
  if (chosen === undefined) return;
  const sessions = await known.sessionsOf(chosen.session);
  return runs.start(await sessions.apply(chosen.session));
}

/** Proposes to take the newest apply of a session back; each file that changed since is asked about. */
async function undoApply(
  { known, runs }: CommandParts,
  argument: unknown,
): Promise<string | undefined> {
  const states = ["completed", "failed", "cancelled"] as const;
  const verb = "take the last apply back of";
  const chosen = await chooseSession(known, argument, { states, verb });
  if (chosen === undefined) return;
  const sessions = await known.sessionsOf(chosen.session);
  return runs.start(await sessions.undo(chosen.session));
}

const atStep = z.object({ step: z.string() });

async function replaySession(
  { known, replays }: CommandParts,
  argument: unknown,
): Promise<string | undefined> {
  const chosen = await chooseSession(known, argument, { states: null, verb: "replay" });
  if (chosen === undefined) return;
  const step = atStep.safeParse(argument).data?.step ?? null;
  return (await showReplay(replays, chosen, step)).toString();
}

/** A key belongs to a server, and every folder may name another one. */
async function setApiKey({ folders, secrets }: CommandParts): Promise<void> {
  const places = folders.all.length === 0 ? [null] : folders.all.map(({ uri }) => uri);
  const urls = [...new Set(places.map((place) => readSettings(place)["model.url"]))];
  const [first] = urls;
  const placeHolder = "Server that the key is for";
  const url = urls.length === 1 ? first : await vscode.window.showQuickPick(urls, { placeHolder });
  if (url !== undefined) await askApiKey(secrets, url);
}

async function chooseFolder({ folders }: CommandParts): Promise<Folder | undefined> {
  const folder = await folders.choose("Folder that the session works on");
  requireTrust();
  return folder;
}
