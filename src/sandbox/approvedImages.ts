import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as z from "zod";

const stored = z.record(
  z.string(),
  z.object({
    /** Digest of the image that runs for it. */
    image: z.string(),
    name: z.string(),
    at: z.string(),
  }),
);

/**
 * The images that somebody approved for a folder. They lie with Cairn's own things, not in the
 * folder: who ships a folder cannot ship the approval with it.
 */
export class ApprovedImages {
  readonly #path: string;

  constructor(root: string, folder: string) {
    const name = createHash("sha256").update(realpathSync(folder)).digest("hex").slice(0, 16);
    this.#path = join(root, "images", `${name}.json`);
  }

  /** Digest of the image that was approved as this identity; null when none was. */
  get(identity: string): string | null {
    const all = this.#read();
    return Object.hasOwn(all, identity) ? (all[identity]?.image ?? null) : null;
  }

  add(identity: string, image: string, name: string): void {
    this.#write({ ...this.#read(), [identity]: { image, name, at: new Date().toISOString() } });
  }

  /** What was approved is asked about again. */
  forget(): void {
    this.#write({});
  }

  #read(): z.infer<typeof stored> {
    try {
      return stored.parse(JSON.parse(readFileSync(this.#path, "utf8")));
    } catch {
      // What cannot be read approves nothing.
      return {};
    }
  }

  #write(all: z.infer<typeof stored>): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const draft = `${this.#path}.${process.pid}`;
    writeFileSync(draft, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600 });
    renameSync(draft, this.#path);
  }
}
