import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exitCodes } from "../../src/cli/exitCodes.ts";
import { suggestedAnswer } from "../../src/core/answerText.ts";
import type { SessionRecord } from "../../src/core/records.ts";
import { viewOf } from "../../src/core/replay.ts";
import type { SessionEntry } from "../../src/core/sessions.ts";
import { Engine } from "../../src/engine.ts";

const dist = new URL("../../dist/", import.meta.url);
const built = new URL("cli.js", dist).pathname;

export interface Entry extends Pick<SessionEntry, "session" | "status" | "held" | "readOnly"> {
  readonly waits: readonly { readonly wait: string; readonly suggested: string }[];
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** SIGKILL as soon as this many lines were printed. */
  readonly killAfterLines?: number;
  /** How long after that, in ms. */
  readonly killLateByMs?: number;
  /** SIGKILL as soon as what was printed matches. */
  readonly killWhen?: RegExp;
  /** Is handed what kills it with SIGKILL. */
  readonly onStarted?: (kill: () => void) => void;
  readonly environment?: Readonly<Record<string, string>>;
  /** What it is started by, with `cairn` as its last words. */
  readonly within?: readonly string[];
  /** What it reads; nothing when left out. */
  readonly stdin?: string;
}

/** The command line in a state directory of its own. */
export class Cairn {
  readonly place = mkdtempSync(join(tmpdir(), "cairn-cli-"));
  readonly home = join(this.place, "home");
  readonly #program: string;
  #folders = 0;

  /** `program` is another one with the same commands, for flows of one's own. */
  constructor(program: string = built) {
    this.#program = program;
  }

  /** An empty workspace, or one with these files. */
  folder(files: Readonly<Record<string, string>> = {}): string {
    this.#folders += 1;
    const path = join(this.place, `folder-${this.#folders}`);
    mkdirSync(path);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
    return path;
  }

  /** A file with this value as JSON; its path. */
  json(name: string, value: object): string {
    const path = join(this.place, name);
    writeFileSync(path, JSON.stringify(value));
    return path;
  }

  /** Runs `cairn` to its end, or to its death. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const [command = "", ...more] = [
      ...(options.within ?? []),
      process.execPath,
      this.#program,
      ...args,
    ];
    const child = spawn(command, more, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], CAIRN_HOME: this.home, ...options.environment },
    });
    child.stdin.on("error", () => {}).end(options.stdin);
    options.onStarted?.(() => void child.kill("SIGKILL"));
    let stdout = "";
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      const lines = stdout.split("\n").length - 1;
      const enough = options.killAfterLines !== undefined && lines >= options.killAfterLines;
      if (!enough && options.killWhen?.test(stdout) !== true) return;
      setTimeout(() => child.kill("SIGKILL"), options.killLateByMs ?? 0);
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
    });
  }

  /** Gives the suggested answer to each wait until the session has ended, and runs `before` each. */
  async answerAll(
    first: Finished,
    workspace: string,
    options: RunOptions & { readonly args?: readonly string[]; readonly before?: () => void },
  ): Promise<Finished> {
    let last = first;
    while (last.code === exitCodes.waiting) {
      options.before?.();
      const [session] = await this.sessions(workspace);
      const [wait] = session?.waits ?? [];
      assert.ok(session !== undefined && wait !== undefined);
      const answer = ["answer", session.session, wait.wait, wait.suggested];
      last = await this.run(
        [...answer, "--workspace", workspace, ...(options.args ?? [])],
        options,
      );
    }
    return last;
  }

  /** The workspace's sessions, newest first, as `cairn sessions` would list them. */
  async sessions(workspace: string): Promise<readonly Entry[]> {
    return this.#look(workspace, async (engine) => {
      const entries = await engine.list();
      return Promise.all(
        entries.map(async ({ session, status, held, readOnly }) => {
          const { openWaits } = viewOf(await engine.records(session));
          const waits = openWaits.map((open) => ({
            wait: open.wait,
            suggested: suggestedAnswer(open),
          }));
          return { session, status, held, readOnly, waits };
        }),
      );
    });
  }

  async records(workspace: string, session: string): Promise<readonly SessionRecord[]> {
    return this.#look(workspace, async (engine) => engine.records(session));
  }

  /** Looks from this process: a test looks often, and a process takes its time to start. */
  async #look<Seen>(workspace: string, at: (engine: Engine) => Promise<Seen>): Promise<Seen> {
    const engine = new Engine({
      workspace,
      dist,
      shippedSkills: "",
      version: "test",
      image: "",
      dockerSocket: null,
      environment: { CAIRN_HOME: this.home },
      apiKey: async () => null,
      log: () => {},
      onRecord: () => {},
    });
    try {
      return await at(engine);
    } finally {
      await engine.close();
    }
  }

  remove(): void {
    rmSync(this.place, { recursive: true, force: true });
  }
}
