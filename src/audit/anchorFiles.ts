import { constants } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { AuditAnchor, AuditAnchors } from "../core/audit.ts";

/** Anchors in a directory of their own, one small file for each file of the log. */
export class AnchorFiles implements AuditAnchors {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async save(anchor: AuditAnchor): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const path = this.#path(anchor.segment);
    const { O_CREAT, O_WRONLY, O_TRUNC, O_NOFOLLOW } = constants;
    const file = await open(`${path}.new`, O_CREAT | O_WRONLY | O_TRUNC | O_NOFOLLOW, 0o600);
    try {
      await file.writeFile(JSON.stringify(anchor));
      // A power cut leaves the old one or the new one, never an empty one.
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  }

  async load(): Promise<ReadonlyMap<string, unknown>> {
    const names = await readdir(this.#directory).catch(() => []);
    const found = names
      .filter((name) => name.endsWith(suffix))
      .map(async (name) => {
        const text = await readFile(join(this.#directory, name), "utf8").catch(() => "");
        return [name.slice(0, -suffix.length), parsed(text)] as const;
      });
    return new Map(await Promise.all(found));
  }

  async forget(segment: string): Promise<void> {
    const path = this.#path(segment);
    await Promise.all([path, `${path}.new`].map(async (name) => rm(name, { force: true })));
  }

  #path(segment: string): string {
    return join(this.#directory, `${segment}${suffix}`);
  }
}

const suffix = ".anchor";

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
