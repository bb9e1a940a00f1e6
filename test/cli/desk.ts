import assert from "node:assert/strict";
import { after } from "node:test";
import type { SessionRecord } from "../../src/core/records.ts";
import type { Cairn, Entry, Finished, RunOptions } from "./cairn.ts";
import { scriptedServer, type Reply, type ScriptedServer } from "./scriptedServer.ts";

/** One workspace with a scripted model, and a person in front of the terminal. */
export class Desk {
  readonly workspace: string;
  readonly server: ScriptedServer;
  readonly #cairn: Cairn;
  /** Commands that the sandbox was given, in all processes so far. */
  readonly commands: string[] = [];

  private constructor(cairn: Cairn, workspace: string, server: ScriptedServer) {
    this.#cairn = cairn;
    this.workspace = workspace;
    this.server = server;
  }

  static async open(
    cairn: Cairn,
    replies: readonly Reply[],
    files: Readonly<Record<string, string>> = {},
  ): Promise<Desk> {
    const server = await scriptedServer(replies);
    after(async () => server.close());
    return new Desk(cairn, cairn.folder(files), server);
  }

  /** Model requests that were answered, in all processes so far. */
  get calls(): number {
    return this.server.asked.length;
  }

  async start(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const model = ["--model-url", this.server.url, "--model", "scripted"];
    return this.do(["run", ...model, "--sandbox", "embedded", ...args], options);
  }

  /** Any command, in this workspace. */
  async do(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const finished = await this.#cairn.run([...args, "--workspace", this.workspace], {
      environment: { OPENAI_API_KEY: "sk-test-0123456789abcdef" },
      ...options,
    });
    this.commands.push(
      ...[...finished.stderr.matchAll(/^ +· \$ (.*)$/gm)].map(([, command]) => command ?? ""),
    );
    return finished;
  }

  /** The newest session. */
  async session(): Promise<Entry> {
    const [session] = await this.#cairn.sessions(this.workspace);
    assert.ok(session, "there is a session");
    return session;
  }

  /** The records of a session; of the newest when left out. */
  async records(session?: string): Promise<readonly SessionRecord[]> {
    return this.#cairn.records(this.workspace, session ?? (await this.session()).session);
  }

  /** What the newest session said at its end. */
  async output(): Promise<string> {
    const end = (await this.records()).findLast(({ kind }) => kind === "session.ended");
    assert.ok(end?.kind === "session.ended", "it has ended");
    return end.output;
  }
}
