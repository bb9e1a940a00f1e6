import assert from "node:assert/strict";
import { before, suite, test } from "node:test";
import * as vscode from "vscode";
import * as z from "zod";
import { toolOutput, type SessionRecord } from "../../src/core/records.ts";
import { viewOf } from "../../src/core/replay.ts";
import { Folders, type Folder } from "../../src/host/folders.ts";
import { treeUri } from "../../src/host/treeFiles.ts";
import { commandLine, eventually, recordsOf, workspaceFolder } from "./cairn.ts";

suite("the demo session, started from the palette", () => {
  let session = "";
  let replay: vscode.TextDocument;

  before(async () => {
    // A container engine that happens to run here is not what this is about.
    const configuration = vscode.workspace.getConfiguration("cairn");
    await configuration.update("sandbox.backend", "embedded", vscode.ConfigurationTarget.Global);
    await write(binary, Buffer.from([0, 255, 1, 254]));
    await write(large, Buffer.alloc(largeBytes, "a line of a large file\n"));
    await write(changed, Buffer.from("then\n"));
    session = z.string().parse(await vscode.commands.executeCommand("cairn.runDemoSession"));
    await waitsFor("question");
    const uri = z
      .string()
      .parse(await vscode.commands.executeCommand("cairn.replaySession", { session }));
    replay = await vscode.workspace.openTextDocument(vscode.Uri.parse(uri));
  });

  async function waitsFor(kind: string): Promise<string> {
    return eventually(`the session waits for ${kind}`, async () => {
      const { openWaits } = viewOf(await recordsOf(session));
      return openWaits.find(({ subject }) => subject.kind === kind)?.wait;
    });
  }

  test("it parks at its question, and the replay that is open says so", () => {
    assert.equal(replay.languageId, "markdown");
    assert.match(replay.getText(), /^# Replay\n\n- Status: waiting\n/);
    assert.match(replay.getText(), /## Waits for an answer\n\n```text\nThe row `lamp`/);
  });

  test("every call has its output, and those after the copy have their files", async () => {
    const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
      "vscode.executeCodeLensProvider",
      replay.uri,
    );
    const titles = (line: number): string[] =>
      lenses
        .filter(({ range }) => range.start.line === line)
        .map(({ command }) => command?.title ?? "");
    const headings = replay
      .getText()
      .split("\n")
      .flatMap((text, line) => (text.startsWith("### ") ? [{ text, titles: titles(line) }] : []));
    const [firstModel, firstCommand] = headings;
    assert.match(firstModel?.text ?? "", /^### Model `demo` · /);
    const derive = ["Explain", "Replay from here", "Fork from here"];
    assert.deepEqual(firstModel?.titles, ["Open output", ...derive]);
    assert.match(firstCommand?.text ?? "", /^### `exec` · /);
    const files = ["Files at this step", "Diff to now", "Diff to another step…"];
    assert.deepEqual(firstCommand?.titles, ["Open output", ...files, ...derive]);
  });

  test("the log of its sandbox opens as a text, with what ran in it", async () => {
    await vscode.commands.executeCommand("cairn.openSandboxLog", { session });
    const document = vscode.window.activeTextEditor?.document;
    assert.match(document?.fileName ?? "", /runtime\.log$/);
    const text = document?.getText() ?? "";
    assert.match(text, /down → spawning \(spawn\)/);
    assert.match(text, /\$ bash cairn-demo\/test\.sh/);
    assert.match(text, /→ exit 1, \d+ chars, cwd \/workspace/);
    await vscode.commands.executeCommand("workbench.action.closeActiveEditor");
  });

  test("the heading of a call says on hover why it ran, as a text that is not trusted", async () => {
    const line = replay
      .getText()
      .split("\n")
      .findIndex((text) => text.startsWith("### "));
    const [hover] = await vscode.commands.executeCommand<vscode.Hover[]>(
      "vscode.executeHoverProvider",
      replay.uri,
      new vscode.Position(line, 0),
    );
    const [content] = hover?.contents ?? [];
    assert(content instanceof vscode.MarkdownString);
    assert.match(
      content.value,
      /It ran\\: there was no record to serve\\\.\n\nKey `[0-9a-f]{64}`\n/,
    );
    assert.notEqual(content.isTrusted, true);
    assert.notEqual(content.supportHtml, true);
  });

  test("an answer on the command line shows in the open replay by itself", async () => {
    const wait = await waitsFor("question");
    await commandLine("answer", session, wait, "Count it as 0");
    await eventually("the replay shows the answer and the next wait", async () => {
      const text = replay.getText();
      return /\(cli\): `Count it as 0`/.test(text) && /Apply \d changes?/.test(text)
        ? true
        : undefined;
    });
  });

  test("no file of the folder changes before the changes are approved", async () => {
    assert.equal(await file("cairn-demo/total.sh"), null);
    const wait = await waitsFor("apply");
    await commandLine("answer", session, wait, "approve");
    assert.match((await file("cairn-demo/total.sh")) ?? "", /NR > 1/);
    await eventually("the replay says that it is completed", async () =>
      replay.getText().includes("- Status: completed") ? true : undefined,
    );
  });

  test("a file opens as it was at an earlier step, and cannot be changed there", async () => {
    const trees = (await recordsOf(session)).flatMap(treeOf);
    const [folder] = new Folders(async () => Promise.reject(new Error("not used")), memento).all;
    assert(folder !== undefined);
    const at = (tree: string | undefined): vscode.Uri => pathIn(folder, tree);
    assert.match(await read(at(trees.find((tree) => tree !== trees[0]))), /NR > 2/);
    assert.match(await read(at(trees.at(-1))), /NR > 1/);
    await assert.rejects(
      async () => vscode.workspace.fs.writeFile(at(trees.at(-1)), new Uint8Array()),
      /read-?only|NoPermissions/i,
    );
    await assert.rejects(async () => read(at(trees[0]).with({ path: `/${trees[0]}/nothing` })));
  });

  test("a file that vanished, changed, is no text or is as large as one can be opens as it was, and nothing is written", async () => {
    const calls = viewOf(await recordsOf(session)).turns.flatMap((turn) => turn.calls);
    const { step = "", treeAfter: tree } = calls.findLast((call) => call.treeAfter !== "") ?? {};
    const [folder] = new Folders(async () => Promise.reject(new Error("not used")), memento).all;
    assert(folder !== undefined && tree !== undefined);
    await vscode.workspace.fs.delete(inFolder(binary));
    await vscode.workspace.fs.delete(inFolder(large));
    await write(changed, Buffer.from("now\n"));

    let opened = "";
    vscode.commands
      .executeCommand<string>("cairn.showFilesAtStep", { session, step })
      .then((uri) => (opened = uri));
    // Its first choice is the first file by name.
    await eventually("the file that vanished is open", async () => {
      if (opened !== "") return opened;
      await vscode.commands.executeCommand("workbench.action.acceptSelectedQuickOpenItem");
      return undefined;
    });
    assert.equal(vscode.Uri.parse(opened).path, `/${binary}`);
    assert.deepEqual(
      [...(await vscode.workspace.fs.readFile(vscode.Uri.parse(opened)))],
      [0, 255, 1, 254],
    );
    const { size } = await vscode.workspace.fs.stat(treeUri(folder, tree, large));
    assert.equal(size, largeBytes);
    const then = treeUri(folder, tree, changed);
    assert.equal(await read(then), "then\n");
    await vscode.commands.executeCommand("vscode.diff", then, inFolder(changed), "then and now");
    const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
    assert(tabs.some(({ label }) => label === "then and now"));
    assert(tabs.every(({ isDirty }) => !isDirty));
    assert.deepEqual(
      [await file(binary), await file(large), await file(changed)],
      [null, null, "now\n"],
    );
    await vscode.workspace.fs.delete(inFolder(changed));
  });

  test("the whole output of a call opens as a plain text", async () => {
    const step = viewOf(await recordsOf(session)).turns[0]?.calls[0]?.step;
    const uri = z
      .string()
      .parse(await vscode.commands.executeCommand("cairn.openOutput", { session, step }));
    const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(uri));
    assert.equal(document.languageId, "plaintext");
    assert.match(document.getText(), /^Hello! I am the demo/);
  });
});

const memento: vscode.Memento = {
  keys: () => [],
  get: () => undefined,
  update: async () => {},
};

/** The first names of the folder. */
const binary = "0-binary";
const large = "1-large";
const changed = "2-changed";
/** Larger ones are left out of a copy, and said to be. */
const largeBytes = 20 * 1024 ** 2;

function inFolder(path: string): vscode.Uri {
  return vscode.Uri.joinPath(workspaceFolder().uri, path);
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await vscode.workspace.fs.writeFile(inFolder(path), bytes);
}

function treeOf(record: SessionRecord): readonly string[] {
  if (record.kind !== "step.completed" || record.stepKind !== "tool") return [];
  const { tree } = toolOutput.parse(record.output);
  return tree === undefined ? [] : [tree];
}

function pathIn(folder: Folder, tree = ""): vscode.Uri {
  return treeUri(folder, tree, "cairn-demo/total.sh");
}

async function file(path: string): Promise<string | null> {
  try {
    return await read(inFolder(path));
  } catch {
    return null;
  }
}

async function read(uri: vscode.Uri): Promise<string> {
  return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
}
