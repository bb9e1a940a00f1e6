import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { recordBody, type SessionRecord } from "../../src/core/records.ts";

const cli = new URL("../../dist/cli.js", import.meta.url).pathname;

const sessionRecord = z.intersection(
  recordBody,
  z.object({ session: z.string(), seq: z.number() }),
);

export const entry = z.object({
  session: z.string(),
  status: z.string(),
  held: z.boolean(),
  waits: z.array(z.object({ wait: z.string(), kind: z.string(), suggested: z.string() })),
});
export type Entry = z.infer<typeof entry>;

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** SIGKILL as soon as this many lines were printed. */
  readonly killAfterLines?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

/** The built command line in a state directory of its own. */
export class Cairn {
  readonly place = mkdtempSync(join(tmpdir(), "cairn-cli-"));
  readonly home = join(this.place, "home");

  /** Runs `cairn` to its end, or to its death. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const child = spawn(process.execPath, [cli, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], CAIRN_HOME: this.home, ...options.environment },
    });
    let stdout = "";
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      const lines = stdout.split("\n").length - 1;
      if (options.killAfterLines !== undefined && lines >= options.killAfterLines) {
        child.kill("SIGKILL");
      }
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
    });
  }

  async sessions(workspace: string): Promise<readonly Entry[]> {
    const { stdout } = await this.run(["sessions", "--json", "--workspace", workspace]);
    return jsonLines(stdout).map((line) => entry.parse(line));
  }

  async records(workspace: string, session: string): Promise<readonly SessionRecord[]> {
    const { stdout } = await this.run(["show", session, "--json", "--workspace", workspace]);
    return jsonLines(stdout).map((line) => sessionRecord.parse(line));
  }

  remove(): void {
    rmSync(this.place, { recursive: true, force: true });
  }
}

function jsonLines(text: string): readonly unknown[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line): unknown => JSON.parse(line));
}
