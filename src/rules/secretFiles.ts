import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { CairnError } from "../core/errors.ts";
import type { SecretStore } from "../core/ports.ts";
import { checkedSecret, checkedSecretName } from "../core/secretText.ts";
import { readOwn } from "./ownFile.ts";
import { writeWhole } from "./writeWhole.ts";

const ending = ".secret";

/** Secrets for a terminal: a file each, of the user's alone, outside of every workspace. */
export class SecretFiles implements SecretStore {
  readonly #directory: string;

  /** `root` is Cairn's own directory. */
  constructor(root: string) {
    this.#directory = join(root, "secrets");
  }

  async names(): Promise<readonly string[]> {
    const files = await readdir(this.#directory).catch(() => []);
    return files
      .filter((file) => file.endsWith(ending))
      .map((file) => file.slice(0, -ending.length))
      .toSorted();
  }

  async read(name: string): Promise<string | null> {
    const path = this.#path(name);
    const found = await readOwn(path, "user");
    if (found.kind === "absent") return null;
    const why = found.kind === "text" ? await exposure([this.#directory, path]) : found.why;
    if (why === null && found.kind === "text") return found.text;
    throw new CairnError(
      "secret.invalid",
      `The secret ${name} is not used: ${path} ${why}. Make it yours alone, or set it again: cairn secrets set ${name}.`,
    );
  }

  /** Throws `secret.invalid`, `rules.unwritable`. */
  async set(name: string, value: string): Promise<void> {
    await writeWhole(this.#path(name), checkedSecret(name, value));
  }

  /** False when there was none. */
  async remove(name: string): Promise<boolean> {
    const path = this.#path(name);
    const found = await lstat(path).catch(() => null);
    await rm(path, { force: true });
    return found !== null;
  }

  #path(name: string): string {
    return join(this.#directory, `${checkedSecretName(name)}${ending}`);
  }
}

/** Why others could read it, as the end of a sentence; null when nobody can. */
async function exposure(paths: readonly string[]): Promise<string | null> {
  if (process.getuid === undefined) return null;
  for (const path of paths) {
    const { mode } = await lstat(path);
    if ((mode & 0o077) !== 0) return `can be read by others than its owner (${path})`;
  }
  return null;
}
