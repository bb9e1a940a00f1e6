import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun } from "../harness/command.ts";
import { out } from "../harness/root.ts";
import { codeServerEntry, installCodeServer } from "./codeServerInstall.ts";

export interface CodeServerOptions {
  /** The folder that `url` opens. */
  readonly workspace: string;
  readonly vsix?: readonly string[];
  /** True opens every folder as trusted, without a question. */
  readonly trust?: boolean;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Added to the environment of the server, and so of the extension host. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Kept after the stop; without one the profile is new and goes with the server. */
  readonly profile?: string;
  readonly port?: number;
}

/** A VS Code that a browser can open, on 127.0.0.1, with a profile of its own. */
export interface CodeServer {
  /** `http://127.0.0.1:PORT/?folder=WORKSPACE`. */
  readonly url: string;
  readonly pid: number;
  /** Holds the profile; also HOME of the editor and of all it starts. */
  readonly home: string;
  /** Resolves with its exit code when it ends, for whatever reason. */
  readonly ended: Promise<number | null>;
  /** Keeps the logs of the server, the window and the extension host in `out/logs/NAME`. */
  saveLogs(name: string): Promise<void>;
  /** Ends it with all that it started. Idempotent. */
  stop(): Promise<void>;
}

const quietSettings = {
  "chat.disableAIFeatures": true,
  // What moves is painted again and again, by a processor here.
  "editor.cursorBlinking": "solid",
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "extensions.ignoreRecommendations": true,
  "git.openRepositoryInParentFolders": "never",
  "telemetry.telemetryLevel": "off",
  "update.showReleaseNotes": false,
  "window.restoreWindows": "none",
  // As a modal, the trust and settings editors swallow every click behind them.
  "workbench.editor.useModal": "off",
  "workbench.reduceMotion": "on",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
};

// An end by signal would skip the exit handlers, and with them the end of the editor.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

export async function startCodeServer(options: CodeServerOptions): Promise<CodeServer> {
  await installCodeServer();
  const home = options.profile ?? (await mkdtemp(join(tmpdir(), "cairn-vscode-")));
  const env = environment(home, options.env ?? {});
  const base = await writeProfile(home, options.settings ?? {});
  for (const vsix of options.vsix ?? []) {
    await mustRun(process.execPath, [...base, "--install-extension", vsix, "--force"], { env });
  }

  const port = options.port ?? (await freePort());
  const trust = options.trust === true ? ["--disable-workspace-trust"] : [];
  const args = [...base, ...serverFlags(port), ...trust, ...(options.args ?? [])];
  // A process group of its own: an extension host can outlive the server that started it.
  const child = spawn(process.execPath, args, {
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => log.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => log.push(text));
  const ended = new Promise<number | null>((resolve) => {
    child.once("exit", resolve);
  });
  const temporary = options.profile === undefined;
  const endWithUs = (): void => {
    killGroup(child);
    if (temporary) rmSync(home, { recursive: true, force: true });
  };
  process.once("exit", endWithUs);

  const stop = async (): Promise<void> => {
    process.off("exit", endWithUs);
    await endGroup(child);
    if (temporary) await rm(home, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await untilHealthy(port, child);
  } catch (cause) {
    await stop();
    throw new Error(`code-server did not start:\n${log.join("")}`, { cause });
  }
  const query = new URLSearchParams({ folder: options.workspace });
  return {
    url: `http://127.0.0.1:${port}/?${query.toString()}`,
    pid: child.pid ?? 0,
    home,
    ended,
    saveLogs: async (name) => {
      const to = join(out, "logs", name);
      await rm(to, { recursive: true, force: true });
      await mkdir(to, { recursive: true });
      await cp(join(home, "data", "logs"), join(to, "logs"), { recursive: true, force: true });
      await writeFile(join(to, "server.log"), log.join(""));
    },
    stop,
  };
}

/** Writes settings and configuration, and gives the command line that uses them. */
async function writeProfile(
  home: string,
  settings: Readonly<Record<string, unknown>>,
): Promise<readonly string[]> {
  const user = join(home, "data", "User");
  const config = join(home, "config.yaml");
  await mkdir(user, { recursive: true });
  await mkdir(join(home, "extensions"), { recursive: true });
  const all = JSON.stringify({ ...quietSettings, ...settings }, null, 2);
  await writeFile(join(user, "settings.json"), all);
  await writeFile(config, "auth: none\n");
  const directories = ["--user-data-dir", join(home, "data"), "--extensions-dir"];
  return [codeServerEntry, "--config", config, ...directories, join(home, "extensions")];
}

function serverFlags(port: number): readonly string[] {
  return [
    "--bind-addr",
    `127.0.0.1:${port}`,
    "--disable-telemetry",
    "--disable-update-check",
    "--disable-getting-started-override",
    "--disable-proxy",
    "--ignore-last-opened",
  ];
}

function environment(home: string, added: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { VSCODE_IPC_HOOK_CLI: _, PORT: __, PASSWORD: ___, ...inherited } = process.env;
  // Its sockets lie there, too, and go with it.
  const places = { XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, XDG_RUNTIME_DIR: home };
  return { ...inherited, HOME: home, ...places, ...added };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("No port on 127.0.0.1.");
  return address.port;
}

async function untilHealthy(port: number, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const ok = await fetch(`http://127.0.0.1:${port}/healthz`).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    if (child.exitCode !== null) throw new Error(`It exited with code ${child.exitCode}.`);
    if (Date.now() > deadline) throw new Error("It did not answer within 60 s.");
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
}

/** Asks the server to end, and then ends whatever of its process group is left. */
async function endGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, "exit");
    const timer = setTimeout(() => killGroup(child), 5000);
    child.kill("SIGTERM");
    await exited;
    clearTimeout(timer);
  }
  killGroup(child);
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // The whole group is gone already.
  }
}
