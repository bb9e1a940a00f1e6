import * as vscode from "vscode";
import * as z from "zod";
import { treeAt as treeAtStep } from "../core/treeAt.ts";
import type { TreeViewer } from "../core/sessions.ts";
import { chooseStep } from "./chooseStep.ts";
import type { Folder, Folders } from "./folders.ts";
import type { KnownSessions } from "./knownSessions.ts";
import { choiceText } from "./messageText.ts";
import { outputUri } from "./replayDocument.ts";
import { emptyTree, treeUri } from "./treeFiles.ts";

export interface StepParts {
  readonly folders: Folders;
  readonly known: KnownSessions;
}

/** A recorded step that left a tree. */
interface StepTree {
  readonly folder: Folder;
  readonly trees: TreeViewer;
  readonly tree: string;
}

const target = z.object({ session: z.string(), step: z.string() });

/** Files that are read at once. */
const batch = 16;

/** The whole output of a call, in an editor of its own. */
export async function openOutput(_: StepParts, argument: unknown): Promise<string> {
  const { session, step } = target.parse(argument);
  return open(outputUri(session, step));
}

/** Lets the person choose among the files that the step left, and opens one as it was. */
export async function showFilesAtStep(
  parts: StepParts,
  argument: unknown,
): Promise<string | undefined> {
  const { folder, trees, tree } = await treeAt(parts, argument);
  const placeHolder = "File to open as it was after this step";
  const paths = (await trees.list(tree)).map((path) => ({ label: choiceText(path), path }));
  const picked = await vscode.window.showQuickPick(paths, { placeHolder });
  return picked === undefined ? undefined : open(treeUri(folder, tree, picked.path));
}

/** Compares a file as the step left it with the file in the folder now. */
export async function diffToNow(parts: StepParts, argument: unknown): Promise<void> {
  const at = await treeAt(parts, argument);
  const changed = await vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: "Comparing the folder with this step",
      cancellable: true,
    },
    async (_, cancelled) => changedFiles(at, cancelled),
  );
  if (changed === null) return;
  if (changed.length === 0) {
    void vscode.window.showInformationMessage("Every file of this step is the same in the folder.");
    return;
  }
  const picked = await vscode.window.showQuickPick(changed, {
    placeHolder: "File to compare with the folder",
  });
  if (picked === undefined) return;
  const { folder, tree } = at;
  const now = picked.gone
    ? treeUri(folder, emptyTree, picked.path)
    : vscode.Uri.joinPath(folder.uri, picked.path);
  const title = `${picked.label} (step ↔ now)`;
  await vscode.commands.executeCommand(
    "vscode.diff",
    treeUri(folder, tree, picked.path),
    now,
    title,
  );
}

/** Compares a file as the step left it with the same file after another step. */
export async function diffToStep(parts: StepParts, argument: unknown): Promise<void> {
  const { session, step } = target.parse(argument);
  const { folder, trees, tree } = await treeAt(parts, argument);
  const view = await parts.known.view(session);
  const other = await chooseStep(view, null, "Step to compare with");
  if (other === undefined) return;
  const then = await treeAt(parts, { session, step: other });
  const changes = await trees.diff(tree, then.tree);
  if (changes.length === 0) {
    void vscode.window.showInformationMessage("Both steps left the same files.");
    return;
  }
  const items = changes.map(({ path, change }) => ({
    label: choiceText(path),
    description: change,
    path,
    change,
  }));
  const picked = await vscode.window.showQuickPick(items, {
    placeHolder: "File to compare between the two steps",
  });
  if (picked === undefined) return;
  const { label, path, change } = picked;
  await vscode.commands.executeCommand(
    "vscode.diff",
    treeUri(folder, change === "added" ? emptyTree : tree, path),
    treeUri(folder, change === "deleted" ? emptyTree : then.tree, path),
    `${label} (${step} ↔ ${other})`,
  );
}

async function treeAt({ folders, known }: StepParts, argument: unknown): Promise<StepTree> {
  const { session, step } = target.parse(argument);
  const { folder } = await known.get(session);
  const { trees } = await folders.sessions(folder);
  return { folder, trees, tree: treeAtStep(await known.view(session), step) };
}

interface ChangedFile {
  readonly label: string;
  readonly description: string;
  readonly path: string;
  readonly gone: boolean;
}

/** Files of the tree that the folder has otherwise or not at all; null when cancelled. */
async function changedFiles(
  { folder, trees, tree }: StepTree,
  cancelled: vscode.CancellationToken,
): Promise<readonly ChangedFile[] | null> {
  const paths = await trees.list(tree);
  const changed: ChangedFile[] = [];
  for (let from = 0; from < paths.length; from += batch) {
    if (cancelled.isCancellationRequested) return null;
    const compared = await Promise.all(
      paths.slice(from, from + batch).map(async (path) => {
        const [then, now] = await Promise.all([
          trees.file(tree, path),
          readOrNull(vscode.Uri.joinPath(folder.uri, path)),
        ]);
        if (then !== null && now !== null && Buffer.compare(then, now) === 0) return [];
        const gone = now === null;
        const description = gone ? "not in the folder now" : "differs";
        return [{ label: choiceText(path), description, path, gone }];
      }),
    );
    changed.push(...compared.flat());
  }
  return changed;
}

async function readOrNull(uri: vscode.Uri): Promise<Uint8Array | null> {
  try {
    return await vscode.workspace.fs.readFile(uri);
  } catch {
    return null;
  }
}

/** As the editor opens any file: what is no text, or too large for one, is said in its place. */
async function open(uri: vscode.Uri): Promise<string> {
  await vscode.commands.executeCommand("vscode.open", uri, { preview: true });
  return uri.toString();
}
