import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { globSync } from "node:fs";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { Client } from "pg";
import { mustRun } from "./command.ts";
import { installDebianPackages } from "./debian.ts";

/** A PostgreSQL of one's own, on a socket in a temporary folder, with the syncs of a real one. */
export class PostgresServer {
  readonly #folder: string;
  readonly #bin: string;
  #process: ChildProcess | null = null;

  private constructor(folder: string, bin: string) {
    this.#folder = folder;
    this.#bin = bin;
  }

  static async start(): Promise<PostgresServer> {
    if (findBin() === null) await installDebianPackages();
    const bin = findBin();
    if (bin === null) throw new Error("There is no PostgreSQL: install Debian's postgresql.");
    const folder = await mkdtemp(join(tmpdir(), "cairn-pg-"));
    if (process.getuid?.() === 0) await chown(folder, await idOf("-u"), await idOf("-g"));
    const server = new PostgresServer(folder, bin);
    const data = ["-D", join(folder, "data"), "-U", "postgres", "--auth=trust", "-E", "UTF8"];
    const [program = "", ...args] = server.#command("initdb", [...data, "--no-sync"]);
    await mustRun(program, args, { cwd: folder });
    await server.run();
    return server;
  }

  /** Runs the server; resolves when it takes connections. */
  async run(): Promise<void> {
    const [program = "", ...args] = this.#command("postgres", [
      "-D",
      join(this.#folder, "data"),
      "-k",
      this.#folder,
      "-c",
      "listen_addresses=",
      "-c",
      "max_connections=200",
    ]);
    const child = spawn(program, args, { cwd: this.#folder, stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    // A test run that is ended in any way but SIGKILL ends its server; that one is for pdeathsig.
    const end = (): void => void child.kill("SIGQUIT");
    process.once("exit", end);
    child.once("exit", () => process.off("exit", end));
    const said: string[] = [];
    for await (const line of createInterface(child.stderr)) {
      said.push(line);
      if (line.includes("database system is ready to accept connections")) {
        child.stderr.resume();
        return;
      }
    }
    throw new Error(`PostgreSQL did not start:\n${said.join("\n")}`);
  }

  /** Ends the server: `fast` refuses and cuts connections, `immediate` is a crash of the server. */
  async halt(mode: "fast" | "immediate" = "fast"): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null) return;
    const gone = once(child, "exit");
    child.kill(mode === "fast" ? "SIGINT" : "SIGQUIT");
    await gone;
  }

  /** Ends it and leaves nothing behind. */
  async stop(): Promise<void> {
    await this.halt("immediate");
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** The address of a new database: empty, or a copy of one that nobody is connected to. */
  async newDatabase(copyOf = this.url("template1")): Promise<string> {
    const name = `cairn_${randomUUID().replaceAll("-", "")}`;
    const template = new URL(copyOf).pathname.slice(1);
    await this.sql("postgres", `create database ${name} template ${template}`);
    return this.url(name);
  }

  get socket(): string {
    return join(this.#folder, ".s.PGSQL.5432");
  }

  url(database: string): string {
    return `postgresql://postgres@localhost/${database}?host=${this.#folder}`;
  }

  /** One statement, past the driver; `where` is a database's name or address. */
  async sql(where: string, statement: string): Promise<readonly Record<string, unknown>[]> {
    const client = new Client({
      connectionString: where.includes("://") ? where : this.url(where),
    });
    await client.connect();
    try {
      const { rows } = await client.query<Record<string, unknown>>(statement);
      return rows;
    } finally {
      await client.end();
    }
  }

  /** PostgreSQL refuses to be root, and ends with the process that started it. */
  #command(program: string, args: readonly string[]): readonly string[] {
    const user = process.getuid?.() === 0;
    const drop = ["--reuid=postgres", "--regid=postgres", "--init-groups"];
    const setpriv = ["setpriv", "--pdeathsig", "QUIT", ...(user ? drop : [])];
    return [...setpriv, join(this.#bin, program), ...args];
  }
}

function findBin(): string | null {
  const newest = globSync("/usr/lib/postgresql/*/bin/initdb").toSorted().at(-1);
  return newest === undefined ? null : dirname(newest);
}

async function idOf(what: "-u" | "-g"): Promise<number> {
  return Number(await mustRun("id", [what, "postgres"]));
}
