import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as vscode from "vscode";
import * as z from "zod";
import { namedProfile } from "../../src/core/profile.ts";
import { profileOf, readSettings, retentionOf } from "../../src/host/settings.ts";
import { cairn, workspaceFolder } from "./cairn.ts";

const manifest = z.object({
  contributes: z.object({
    commands: z.array(z.object({ command: z.string(), category: z.string() })),
    configuration: z.object({
      properties: z.record(z.string(), z.object({ scope: z.string() })),
    }),
  }),
  capabilities: z.object({
    untrustedWorkspaces: z.object({ restrictedConfigurations: z.array(z.string()) }),
  }),
});

/** They look at what the editor shows, and nothing else. */
const editorServices = { workspace_diagnostics: {}, workspace_symbols: {}, find_references: {} };

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
    "model.contextTokens": null,
    "sandbox.backend": "auto",
    "sandbox.devContainer": "auto",
    "sandbox.image": "cairn-sandbox",
    "sandbox.dockerSocket": "",
    "sandbox.runtime": "",
    "sandbox.gpus": null,
    "workspace.exclude": [],
    "workspace.include": [],
    "audit.retentionDays": 365,
    profile: "default",
    profileFile: "",
    "skills.source": "",
    checkpointStrategy: "calls",
    granularCheckpoints: true,
    cache: "session",
    budgets: {
      tokens: null,
      money: null,
      modelCalls: 50,
      commands: null,
      wallTimeMinutes: null,
      sameFailure: 5,
    },
    prices: {},
    services: editorServices,
    "github.url": "https://api.github.com",
    "retention.days": 0,
    "retention.megabytes": 0,
  });
});

test("the profile of a new session is the named one as long as no setting says otherwise", async () => {
  const profile = { ...namedProfile("default"), allowedServices: editorServices };
  assert.deepEqual(await profileOf(readSettings(null)), profile);
});

test("a profile file takes the place of the named one, from outside the open folders alone", async () => {
  const configuration = vscode.workspace.getConfiguration("cairn");
  const place = mkdtempSync(join(tmpdir(), "cairn-profile-"));
  const path = join(place, "mine.json");
  const wiki = { name: "wiki", hosts: ["wiki.example"], methods: ["GET"], paths: ["/"] };
  writeFileSync(path, JSON.stringify({ name: "mine", proxy: [wiki], budgets: { modelCalls: 3 } }));
  const set = async (value: string | undefined): Promise<void> =>
    configuration.update("profileFile", value, vscode.ConfigurationTarget.Global);
  try {
    await set(path);
    const { name, proxy, budgets, allowedServices } = await profileOf(readSettings(null));
    assert.deepEqual([name, proxy, budgets.modelCalls], ["mine", [wiki], 3]);
    assert.deepEqual(allowedServices, editorServices);
    for (const [bad, message] of [
      ["mine.json", /has to be an absolute path/],
      [join(place, "gone.json"), /gone\.json cannot be read/],
      [join(workspaceFolder().uri.fsPath, "mine.json"), /lies in an open folder/],
    ] as const) {
      await set(bad);
      await assert.rejects(profileOf(readSettings(null)), { code: "profile.invalid", message });
    }
  } finally {
    await set(undefined);
    rmSync(place, { recursive: true });
  }
});

test("a service is added by a setting, and one that is there is turned off by one", async () => {
  const configuration = vscode.workspace.getConfiguration("cairn");
  const set = { github_issue: { actions: ["comment"] }, find_references: false };
  await configuration.update("services", set, vscode.ConfigurationTarget.Global);
  try {
    assert.deepEqual((await profileOf(readSettings(null))).allowedServices, {
      github_issue: { actions: ["comment"] },
      workspace_diagnostics: {},
      workspace_symbols: {},
    });
  } finally {
    await configuration.update("services", undefined, vscode.ConfigurationTarget.Global);
  }
});

test("budgets, prices, the window and the cache go from the settings into a new session", async () => {
  const configuration = vscode.workspace.getConfiguration("cairn");
  const price = { input: 1, cachedInput: 0.5, output: 4 };
  const set: Readonly<Record<string, unknown>> = {
    budgets: { tokens: 5000, wallTimeMinutes: 1.5, sameFailure: null },
    prices: { mine: price },
    "model.contextTokens": 32_000,
    cache: "off",
  };
  const all = async (value: (name: string) => unknown): Promise<void> => {
    for (const name of Object.keys(set)) {
      await configuration.update(name, value(name), vscode.ConfigurationTarget.Global);
    }
  };
  await all((name) => set[name]);
  try {
    const profile = await profileOf(readSettings(null));
    assert.deepEqual(profile.budgets, {
      tokens: 5000,
      money: null,
      modelCalls: 50,
      commands: null,
      wallTimeMs: 90_000,
      sameFailure: null,
    });
    assert.deepEqual(profile.prices, { mine: price });
    assert.equal(profile.contextTokens, 32_000);
    assert.equal(profile.cache, "off");
  } finally {
    await all(() => undefined);
  }
});

test("what is kept is kept for ever unless an age or a size is set", () => {
  const read = readSettings(null);
  assert.equal(retentionOf(read), null);
  assert.deepEqual(retentionOf({ ...read, "retention.days": 30 }), {
    maxAgeMs: 30 * 86_400_000,
    maxBytes: null,
  });
  assert.deepEqual(retentionOf({ ...read, "retention.megabytes": 500 }), {
    maxAgeMs: null,
    maxBytes: 500_000_000,
  });
});

test("a folder that is not trusted sets nothing, and none says where its files are sent, what they run in, or what it may cost", async () => {
  const { capabilities, contributes } = manifest.parse((await cairn()).packageJSON);
  const settings = contributes.configuration.properties;
  assert.deepEqual(
    capabilities.untrustedWorkspaces.restrictedConfigurations.toSorted(),
    Object.keys(settings).toSorted(),
  );
  const harmless = [
    "model.name",
    "model.contextTokens",
    "workspace.exclude",
    "checkpointStrategy",
    "granularCheckpoints",
    "cache",
  ];
  for (const [name, { scope }] of Object.entries(settings)) {
    if (!harmless.some((each) => name === `cairn.${each}`)) assert.equal(scope, "machine", name);
  }
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

test("a part of a setting that does not fit is named, too", async () => {
  const configuration = vscode.workspace.getConfiguration("cairn");
  await configuration.update("budgets", { tokens: -1 }, vscode.ConfigurationTarget.Global);
  try {
    assert.throws(() => readSettings(null), {
      code: "usage.invalid",
      message: /^The setting cairn\.budgets\.tokens does not fit: /,
    });
  } finally {
    await configuration.update("budgets", undefined, vscode.ConfigurationTarget.Global);
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
