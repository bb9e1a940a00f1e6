import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import * as vscode from "vscode";
import * as z from "zod";
import { readSettings } from "../../src/host/settings.ts";
import { cairn, workspaceFolder } from "./cairn.ts";

const manifest = z.object({
  contributes: z.object({
    commands: z.array(z.object({ command: z.string(), category: z.string() })),
  }),
});

test("every command of the manifest is registered, under Cairn", async () => {
  const { commands } = manifest.parse((await cairn()).packageJSON).contributes;
  const registered = new Set(await vscode.commands.getCommands(true));
  const missing = commands.filter(({ command }) => !registered.has(command));
  assert.deepEqual(missing, []);
  assert.deepEqual([...new Set(commands.map(({ category }) => category))], ["Cairn"]);
});

test("opening a folder makes nothing in it", async () => {
  await cairn();
  const store = vscode.Uri.joinPath(workspaceFolder().uri, ".cairn");
  await assert.rejects(async () => vscode.workspace.fs.stat(store));
});

test("what nobody has set is the default", () => {
  assert.deepEqual(readSettings(workspaceFolder().uri), {
    "model.url": "https://api.openai.com/v1",
    "model.name": "",
    "sandbox.backend": "auto",
    "sandbox.image": "cairn-sandbox",
    "sandbox.dockerSocket": "",
    profile: "default",
    "skills.source": "",
    checkpointStrategy: "calls",
    granularCheckpoints: true,
  });
});

test("a setting that does not fit is named", async () => {
  const configuration = vscode.workspace.getConfiguration("cairn");
  await configuration.update("model.url", "file:///etc/passwd", vscode.ConfigurationTarget.Global);
  try {
    assert.throws(() => readSettings(null), {
      code: "usage.invalid",
      message: /^The setting cairn\.model\.url does not fit: .*Change it in the settings\.$/,
    });
  } finally {
    await configuration.update("model.url", undefined, vscode.ConfigurationTarget.Global);
  }
});

test("activation loads no model, container, git or shell library", async () => {
  const { extensionPath } = await cairn();
  const meta = z
    .object({
      outputs: z.record(
        z.string(),
        z.object({
          inputs: z.record(z.string(), z.unknown()),
          imports: z.array(z.object({ path: z.string(), kind: z.string() })),
        }),
      ),
    })
    .parse(JSON.parse(await readFile(join(extensionPath, "dist", "meta.json"), "utf8")));
  const inputs = new Set<string>();
  const visited = new Set<string>();
  const visit = (path: string): void => {
    if (visited.has(path)) return;
    visited.add(path);
    const output = meta.outputs[path];
    for (const input of Object.keys(output?.inputs ?? {})) inputs.add(input);
    for (const { path: next, kind } of output?.imports ?? []) {
      if (kind === "import-statement") visit(next);
    }
  };
  visit("dist/extension.cjs");
  assert(inputs.has("src/extension.ts"));
  const packages = [...inputs].filter((input) => /node_modules\/(?!zod\/)/.test(input));
  const rooms = [...inputs].filter((input) => /^src\/(?!core\/|host\/|[^/]+$)/.test(input));
  assert.deepEqual({ packages, rooms }, { packages: [], rooms: [] });
  assert(!inputs.has("src/engine.ts"));
});
