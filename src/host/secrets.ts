import * as vscode from "vscode";

/**
 * The key for one server, from the editor's secret storage. Keys are kept by origin, so that a
 * folder which names another server in its settings does not get the key of this one.
 */
export async function readApiKey(
  secrets: vscode.SecretStorage,
  url: string,
): Promise<string | null> {
  return (await secrets.get(secretName(url))) ?? null;
}

/** Asks for the key of a server and keeps it. It is never shown again. */
export async function askApiKey(secrets: vscode.SecretStorage, url: string): Promise<void> {
  const { origin } = new URL(url);
  const key = await vscode.window.showInputBox({
    title: "Set API Key",
    prompt: `Key for ${origin}. Empty forgets it.`,
    password: true,
    ignoreFocusOut: true,
  });
  if (key === undefined) return;
  if (key.trim() === "") {
    await secrets.delete(secretName(url));
    await vscode.window.showInformationMessage(`The key for ${origin} is forgotten.`);
    return;
  }
  await secrets.store(secretName(url), key.trim());
  await vscode.window.showInformationMessage(`The key for ${origin} is kept in secret storage.`);
}

function secretName(url: string): string {
  return `cairn.apiKey ${new URL(url).origin}`;
}
