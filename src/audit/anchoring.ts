import type { AuditAnchor, AuditAnchors } from "../core/audit.ts";
import type { Log } from "../core/ports.ts";
import { signAnchor } from "./anchor.ts";
import type { Segment } from "./segment.ts";

export interface AnchoringOptions {
  readonly anchors: readonly AuditAnchors[];
  readonly key: Uint8Array;
  readonly log: Log;
  readonly anchorEvery?: number;
}

const pauseMs = 1000;

/** Says in other places how far the log came: at the start of a file, every so many entries, after a pause and at the end. */
export class Anchoring {
  readonly #options: AnchoringOptions;
  /** The newest line that is anchored, by file. */
  readonly #anchored = new Map<string, number>();
  #saving: Promise<void> = Promise.resolve();
  #pause: NodeJS.Timeout | null = null;

  constructor(options: AnchoringOptions) {
    this.#options = options;
  }

  /** An entry of this file came to disk. */
  after(segment: Segment): void {
    const { anchorEvery = 64 } = this.#options;
    const last = this.#anchored.get(segment.name);
    if (last === undefined || segment.tip.seq - last >= anchorEvery) this.now(segment);
    else this.#pause ??= setTimeout(() => this.now(segment), pauseMs).unref();
  }

  now(segment: Segment): void {
    if (this.#pause !== null) clearTimeout(this.#pause);
    this.#pause = null;
    const { seq, head, at } = segment.tip;
    if (seq === 0 || this.#anchored.get(segment.name) === seq) return;
    this.#anchored.set(segment.name, seq);
    const { key } = this.#options;
    const anchor = signAnchor(key, { segment: segment.name, seq, head, at });
    this.#saving = this.#save(this.#saving, anchor);
  }

  /** Resolves when what was to be anchored is. */
  async close(): Promise<void> {
    if (this.#pause !== null) clearTimeout(this.#pause);
    await this.#saving;
  }

  /** One after the other, so that no older one comes last. */
  async #save(before: Promise<void>, anchor: AuditAnchor): Promise<void> {
    await before;
    try {
      await Promise.all(this.#options.anchors.map(async (place) => place.save(anchor)));
    } catch (error) {
      this.#anchored.delete(anchor.segment);
      this.#options.log(`the audit log was not anchored: ${String(error)}`);
    }
  }
}
