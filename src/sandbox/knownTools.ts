import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";

type Tools = Readonly<Record<string, string>>;

const stored = z.record(z.string(), z.string());

/** What was found in an image, by its digest: the same bytes have the same tools, so it is looked for once. */
export class KnownTools {
  readonly #directory: string;

  constructor(root: string) {
    this.#directory = join(root, "tools");
  }

  async of(digest: string, find: () => Promise<Tools>): Promise<Tools> {
    const path = join(this.#directory, `${digest.replaceAll(/[^\w.-]/gu, "_")}.json`);
    const known = await this.#read(path);
    if (known !== null) return known;
    const found = await find();
    await this.#keep(path, found);
    return found;
  }

  async #read(path: string): Promise<Tools | null> {
    try {
      return stored.parse(JSON.parse(await readFile(path, "utf8")));
    } catch {
      return null;
    }
  }

  /** It is found again where it cannot be kept. */
  async #keep(path: string, tools: Tools): Promise<void> {
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await writeFile(`${path}.${process.pid}`, JSON.stringify(tools), { mode: 0o600 });
      await rename(`${path}.${process.pid}`, path);
    } catch {
      // Only time is lost.
    }
  }
}
