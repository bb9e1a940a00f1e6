import * as vscode from "vscode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import { demoGoal, type Run, type StartRequest } from "../core/sessions.ts";
import { requireTrust, type Folder, type Folders } from "./folders.ts";
import type { KnownSession, KnownSessions } from "./knownSessions.ts";
import type { LogChannel } from "./log.ts";
import type { Panel } from "./panel.ts";
import { pickSession } from "./pickSession.ts";
import { replayUri, type ReplayDocuments } from "./replayDocument.ts";
import type { Runs } from "./runs.ts";
import { askApiKey } from "./secrets.ts";
import { profileOf, readSettings } from "./settings.ts";
import { showError } from "./showError.ts";
import { diffToNow, openOutput, showFilesAtStep } from "./stepCommands.ts";

export interface CommandParts {
  readonly folders: Folders;
  readonly known: KnownSessions;
  readonly runs: Runs;
  readonly panel: Panel;
  readonly replays: ReplayDocuments;
  readonly secrets: vscode.SecretStorage;
  readonly log: LogChannel;
}

/** What a view, a lens or a program may hand to a command. */
const target = z.object({ session: z.string(), step: z.exactOptional(z.string()) });

/** Every command of the extension. A failure is one sentence, shown and logged. */
export function registerCommands(parts: CommandParts): vscode.Disposable {
  const table: Readonly<Record<string, (argument: unknown) => Promise<unknown>>> = {
    newSession: async () => newSession(parts),
    runDemoSession: async () => runDemoSession(parts),
    showApprovals: async () => parts.panel.show(),
    resumeSession: async (argument) => resumeSession(parts, argument),
    stopSession: async (argument) => stopSession(parts, argument),
    replaySession: async (argument) => replaySession(parts, argument),
    applyChanges: async (argument) => applyChanges(parts, argument),
    setApiKey: async () => setApiKey(parts),
    showLog: async () => parts.log.show(),
    openOutput: async (argument) => openOutput(parts, argument),
    showFilesAtStep: async (argument) => showFilesAtStep(parts, argument),
    diffToNow: async (argument) => diffToNow(parts, argument),
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
  return start(parts, folder, { goal: goal.trim(), model });
}

async function runDemoSession(parts: CommandParts): Promise<string | undefined> {
  const folder = await chooseFolder(parts);
  if (folder === undefined) return;
  return start(parts, folder, { goal: demoGoal, model: { demo: true } });
}

async function start(
  parts: CommandParts,
  folder: Folder,
  { goal, model }: Pick<StartRequest, "goal" | "model">,
): Promise<string> {
  const settings = readSettings(folder.uri);
  const source = settings["skills.source"];
  const sessions = await parts.folders.sessions(folder);
  const run = await vscode.window.withProgress(
    { location: { viewId: "cairn.sessions" } },
    async () =>
      sessions.start({
        goal,
        model,
        profile: profileOf(settings),
        sandbox: settings["sandbox.backend"],
        skills: source === "" ? null : source,
      }),
  );
  return followed(parts, run);
}

async function resumeSession(parts: CommandParts, argument: unknown): Promise<string | undefined> {
  const states = ["interrupted", "failed", "waiting"] as const;
  const chosen = await choose(parts, argument, { states, verb: "resume" });
  if (chosen === undefined) return;
  const { session, state } = chosen;
  if (state === "waiting") {
    await parts.panel.show();
    return session;
  }
  const sessions = await parts.known.sessionsOf(session);
  const run = state === "failed" ? sessions.retry(session) : sessions.resume(session);
  return followed(parts, await run);
}

async function stopSession(parts: CommandParts, argument: unknown): Promise<void> {
  const chosen = await choose(parts, argument, { states: ["running"], verb: "stop" });
  if (chosen === undefined) return;
  const { session } = chosen;
  const stopped = await (await parts.known.sessionsOf(session)).stop(session);
  if (!stopped) {
    throw new CairnError(
      "session.busy",
      `Session ${session} is not run by this window. Stop it where it was started.`,
    );
  }
  await parts.known.refresh();
}

async function applyChanges(parts: CommandParts, argument: unknown): Promise<string | undefined> {
  const states = ["completed", "failed", "cancelled"] as const;
  const chosen = await choose(parts, argument, { states, verb: "apply" });
  if (chosen === undefined) return;
  const sessions = await parts.known.sessionsOf(chosen.session);
  return followed(parts, await sessions.apply(chosen.session));
}

/** Opens what is on record. Starts nothing. */
async function replaySession(parts: CommandParts, argument: unknown): Promise<string | undefined> {
  const chosen = await choose(parts, argument, { states: null, verb: "replay" });
  if (chosen === undefined) return;
  const uri = replayUri(chosen.session, chosen.goal);
  const document = await vscode.workspace.openTextDocument(uri);
  const step = target.safeParse(argument).data?.step;
  const line = step === undefined ? 0 : parts.replays.lineOf(uri, step);
  const editor = await vscode.window.showTextDocument(document, { preview: false });
  const range = new vscode.Range(line, 0, line, 0);
  editor.selection = new vscode.Selection(range.start, range.end);
  editor.revealRange(range, vscode.TextEditorRevealType.AtTop);
  return uri.toString();
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

/** The session that was handed in, or the one that the person picks. */
async function choose(
  { known }: CommandParts,
  argument: unknown,
  filter: { readonly states: readonly KnownSession["state"][] | null; readonly verb: string },
): Promise<KnownSession | undefined> {
  requireTrust();
  const given = target.safeParse(argument);
  if (given.success) return known.get(given.data.session);
  await known.refresh();
  return pickSession(known, filter);
}

function followed({ runs, log }: CommandParts, run: Run): string {
  runs.follow(run).catch(async (error: unknown) => showError(error, log.write));
  return run.session;
}
