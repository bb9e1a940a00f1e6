import * as vscode from "vscode";
import { CairnError } from "../core/errors.ts";
import type { SecretStore } from "../core/ports.ts";
import { checkedSecret, checkedSecretName } from "../core/secretText.ts";
import type { CommandParts } from "./commandParts.ts";

const prefix = "cairn.secret ";

/** The secrets of proxy rules and services, in the editor's secret storage. */
export class NamedSecrets implements SecretStore {
  readonly #storage: vscode.SecretStorage;

  constructor(storage: vscode.SecretStorage) {
    this.#storage = storage;
  }

  async names(): Promise<readonly string[]> {
    const keys = await this.#storage.keys();
    return keys
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
      .toSorted();
  }

  async read(name: string): Promise<string | null> {
    return (await this.#storage.get(prefix + checkedSecretName(name))) ?? null;
  }

  /** Throws `secret.invalid`. */
  async set(name: string, value: string): Promise<void> {
    const checked = checkedSecret(name, value);
    await this.#storage.store(prefix + checkedSecretName(name), checked);
  }

  async remove(name: string): Promise<void> {
    await this.#storage.delete(prefix + checkedSecretName(name));
  }
}

type Parts = Pick<CommandParts, "secrets" | "audit" | "operator">;

/** Asks for a secret by its name and keeps it. It is never shown again. */
export async function setSecret(parts: Parts): Promise<void> {
  const named = new NamedSecrets(parts.secrets);
  const name = await vscode.window.showInputBox({
    title: "Set Secret",
    prompt: "The name that proxy rules and services know it by, like wiki-token",
    ignoreFocusOut: true,
    validateInput: (text) => refusalOf(() => checkedSecretName(text)),
  });
  if (name === undefined) return;
  const value = await vscode.window.showInputBox({
    title: "Set Secret",
    prompt: `The value of ${name}. It is kept in secret storage.`,
    password: true,
    ignoreFocusOut: true,
    validateInput: (text) => refusalOf(() => checkedSecret(name, text)),
  });
  if (value === undefined) return;
  await noted(parts, `the secret ${name} is set`);
  await named.set(name, value);
  void vscode.window.showInformationMessage(`The secret ${name} is kept in secret storage.`);
}

/** Lists the secrets by name, and forgets the one that is chosen. */
export async function forgetSecret(parts: Parts): Promise<void> {
  const named = new NamedSecrets(parts.secrets);
  const names = await named.names();
  if (names.length === 0) {
    void vscode.window.showInformationMessage("There are no secrets.");
    return;
  }
  const name = await vscode.window.showQuickPick(names, {
    title: "Forget Secret",
    placeHolder: "Secret to forget: what needs it is refused from then on",
  });
  if (name === undefined) return;
  await noted(parts, `the secret ${name} is removed`);
  await named.remove(name);
  void vscode.window.showInformationMessage(`The secret ${name} is forgotten.`);
}

/** Why it is no name or no value, for the field that it is typed in. */
function refusalOf(check: () => string): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (CairnError.is(error)) return error.message;
    throw error;
  }
}

async function noted({ audit, operator }: Parts, what: string): Promise<void> {
  const nothing = { session: null, step: null, operation: null, digest: null, outcome: null };
  await audit.write({ kind: "rule", ...nothing, by: operator.by("quickPick"), what });
}
