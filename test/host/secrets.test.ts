import assert from "node:assert/strict";
import { test } from "node:test";
import * as vscode from "vscode";
import { NamedSecrets } from "../../src/host/namedSecrets.ts";
import { askApiKey, readApiKey } from "../../src/host/secrets.ts";
import { eventually } from "./cairn.ts";

class MemorySecrets implements vscode.SecretStorage {
  readonly kept = new Map<string, string>();

  readonly onDidChange: vscode.Event<vscode.SecretStorageChangeEvent> = () =>
    new vscode.Disposable(() => {});

  async keys(): Promise<string[]> {
    return [...this.kept.keys()];
  }

  async get(name: string): Promise<string | undefined> {
    return this.kept.get(name);
  }

  async store(name: string, value: string): Promise<void> {
    this.kept.set(name, value);
  }

  async delete(name: string): Promise<void> {
    this.kept.delete(name);
  }
}

test("a key goes only to the server that it was set for", async () => {
  const secrets = new MemorySecrets();
  await secrets.store("cairn.apiKey https://api.example.com", "sk-1");
  assert.equal(await readApiKey(secrets, "https://api.example.com/v1"), "sk-1");
  assert.equal(await readApiKey(secrets, "https://api.example.com/other"), "sk-1");
  assert.equal(await readApiKey(secrets, "http://api.example.com/v1"), null);
  assert.equal(await readApiKey(secrets, "https://evil.example.com/v1"), null);
});

test("an empty key forgets the one that was kept", async () => {
  const secrets = new MemorySecrets();
  await secrets.store("cairn.apiKey https://api.example.com", "sk-1");
  const asked = askApiKey(secrets, "https://api.example.com/v1");
  await eventually("the key is forgotten", async () => {
    await vscode.commands.executeCommand("workbench.action.acceptSelectedQuickOpenItem");
    return secrets.kept.size === 0 ? true : undefined;
  });
  await vscode.commands.executeCommand("notifications.clearAll");
  await asked;
});

test("secrets of rules are listed by name alone, apart from keys, and forgotten", async () => {
  const storage = new MemorySecrets();
  await storage.store("cairn.apiKey https://api.example.com", "sk-1");
  const named = new NamedSecrets(storage);
  await named.set("wiki-token", "canary-0123456789");
  await named.set("forge.token", "canary-4567890123\n");
  assert.deepEqual(await named.names(), ["forge.token", "wiki-token"]);
  assert.equal(await named.read("forge.token"), "canary-4567890123");
  assert.equal(await named.read("other"), null);
  await assert.rejects(named.set("A", "canary-0123456789"), { code: "secret.invalid" });
  await assert.rejects(named.set("short", "abc"), { code: "secret.invalid" });
  await named.remove("wiki-token");
  assert.deepEqual(await named.names(), ["forge.token"]);
  assert.equal(await readApiKey(storage, "https://api.example.com/v1"), "sk-1");
});
