import { closeSync, openSync, writeFileSync } from "node:fs";
import { OutputStream } from "./outputStream.ts";

export interface OutputLimits {
  /** Bytes kept of each stream. */
  readonly keep: number;
  /** Bytes kept on disk: a command that prints for ever must not fill it. */
  readonly keepOnDisk: number;
}

const mebibyte = 1024 * 1024;
const usual: OutputLimits = { keep: mebibyte, keepOnDisk: 256 * mebibyte };

/** Both streams of one command: bounded in memory, whole in a file once one outgrows its bound. */
export class CommandOutput {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly #path: string;
  readonly #limits: OutputLimits;
  #file: number | null = null;
  #onDisk = 0;
  #diskFailed = false;

  constructor(path: string, limits: OutputLimits = usual) {
    this.#path = path;
    this.#limits = limits;
    this.stdout = new OutputStream(limits.keep, (bytes) => this.#spill(bytes));
    this.stderr = new OutputStream(limits.keep, (bytes) => this.#spill(bytes));
  }

  get truncated(): boolean {
    return this.stdout.truncated || this.stderr.truncated;
  }

  get received(): number {
    return this.stdout.received + this.stderr.received;
  }

  /** True when the file holds the output; false when all fitted in memory or the disk refused. */
  get onDisk(): boolean {
    return this.#onDisk > 0 && !this.#diskFailed;
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #spill(bytes: Uint8Array): void {
    if (this.#file === null) {
      if (!this.truncated || this.#diskFailed) return;
      try {
        // Commands can write in this directory: "wx" neither follows a link nor opens their file.
        this.#file = openSync(this.#path, "wx", 0o644);
      } catch {
        this.#diskFailed = true;
        return;
      }
      this.#write(this.stdout.kept());
      this.#write(this.stderr.kept());
    }
    this.#write(bytes);
  }

  #write(bytes: Uint8Array): void {
    if (this.#file === null || this.#diskFailed) return;
    const fitting = bytes.subarray(0, this.#limits.keepOnDisk - this.#onDisk);
    this.#onDisk += fitting.length;
    try {
      writeFileSync(this.#file, fitting);
    } catch {
      this.#diskFailed = true;
    }
  }
}
