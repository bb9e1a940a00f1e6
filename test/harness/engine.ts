import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { access, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { command as runCommand, mustRun } from "./command.ts";
import { root } from "./root.ts";

export interface TestEngine {
  readonly socketPath: string;
  readonly image: string;
  /** Ends the engine, when it is a private one, and removes all that it kept. */
  stop(): Promise<void>;
}

const image = "cairn-sandbox:test";
const readyWithinMs = 30_000;

/**
 * An engine with the test image: the one at DOCKER_HOST, else a private dockerd. The private one
 * makes no bridge and no firewall rules, so that there is nothing of it left but its state.
 */
export async function startEngine(): Promise<TestEngine | { readonly skipped: string }> {
  const given = process.env["DOCKER_HOST"]?.replace(/^unix:\/\//u, "");
  if (given !== undefined && (await answers(given))) {
    await makeImage(given);
    return { socketPath: given, image, stop: async () => {} };
  }
  const skipped = await whyNotPrivate(["/usr/sbin/dockerd"]);
  return skipped === null ? startPrivateEngine(dockerdCommand) : { skipped };
}

/** The same with Podman's service, which speaks Docker's protocol. */
export async function startPodman(): Promise<TestEngine | { readonly skipped: string }> {
  const skipped = await whyNotPrivate(["/usr/bin/podman", "/usr/sbin/runc"]);
  return skipped === null ? startPrivateEngine(podmanCommand) : { skipped };
}

type Command = (state: string, socketPath: string) => readonly string[];

async function startPrivateEngine(command: Command): Promise<TestEngine> {
  const state = await mkdtemp("/tmp/cairn-engine-");
  const runtimes = await otherRuntimes();
  await writeFile(join(state, "daemon.json"), JSON.stringify({ runtimes }));
  // Podman keeps a process, and what can be asked, of each one that ended, for so many seconds.
  await writeFile(join(state, "containers.conf"), "[engine]\nexit_command_delay = 5\n");
  const socketPath = join(state, "engine.sock");
  const engine = startService(state, command(state, socketPath));
  const stop = async (): Promise<void> => {
    if (engine.exitCode === null && engine.signalCode === null) {
      // It would leave the bridges of networks that a failed test left.
      await new Docker({ socketPath }).pruneNetworks().catch(() => undefined);
      engine.kill("SIGTERM");
      await once(engine, "exit");
    }
    // Left mounted by a container that had the host's network.
    await runCommand("umount", [join(state, "run/netns/default")]);
    // Podman's watchers end shortly after what they watched; a mount over its own store stays.
    for (let pause = 0; pause < 150 && (await isUsed(state)); pause += 1) await sleep(100);
    await runCommand("umount", ["-q", "-l", join(state, "root/overlay")]);
    await rm(state, { recursive: true, force: true });
  };
  try {
    const giveUpAt = Date.now() + readyWithinMs;
    while (!(await answers(socketPath))) {
      if (engine.exitCode !== null || Date.now() > giveUpAt) {
        const log = await readFile(join(state, "log"), "utf8");
        throw new Error(`The engine does not answer.\n${log.slice(-4000)}`);
      }
      await sleep(100);
    }
    await makeImage(socketPath);
    return { socketPath, image, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function dockerdCommand(state: string, socketPath: string): readonly string[] {
  const places = ["--data-root", join(state, "data"), "--exec-root", join(state, "run")];
  const config = ["--config-file", join(state, "daemon.json"), "--pidfile", join(state, "pid")];
  const network = ["--bridge=none", "--iptables=false", "--ip6tables=false"];
  return ["dockerd", ...places, ...config, ...network, "-H", `unix://${socketPath}`];
}

function podmanCommand(state: string, socketPath: string): readonly string[] {
  const at = (name: string): string => join(state, name);
  const places = ["--root", at("root"), "--runroot", at("run"), "--tmpdir", at("tmp")];
  // Its usual runtime and its usual manager of control groups ask for systemd.
  const kinds = [
    "--storage-driver",
    "overlay",
    "--cgroup-manager",
    "cgroupfs",
    "--runtime",
    "runc",
  ];
  const service = ["system", "service", "--time=0", `unix://${socketPath}`];
  return ["podman", ...places, ...kinds, "--events-backend", "file", ...service];
}

function startService(state: string, command: readonly string[]): ChildProcess {
  // The engine ends with the test, however the test ends.
  const engine = spawn("setpriv", ["--pdeathsig", "TERM", ...command], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, CONTAINERS_CONF: join(state, "containers.conf") },
  });
  const log = createWriteStream(join(state, "log"));
  engine.stdout.pipe(log);
  engine.stderr.pipe(log);
  return engine;
}

async function makeImage(socketPath: string): Promise<void> {
  const images = await new Docker({ socketPath }).listImages({ filters: { reference: [image] } });
  if (images.length > 0) return;
  const env = { ...process.env, DOCKER_HOST: `unix://${socketPath}` };
  await mustRun(join(root, "docker/makeTestImage.sh"), [image], { env });
}

/** True while a process has the directory in its arguments. */
async function isUsed(directory: string): Promise<boolean> {
  const processes = (await readdir("/proc")).filter((name) => /^\d+$/u.test(name));
  const lines = processes.map(async (pid) =>
    readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
  );
  return (await Promise.all(lines)).some((line) => line.includes(`${directory}/`));
}

/** gVisor where it is installed; a network of its own would be one more thing that can fail. */
async function otherRuntimes(): Promise<object> {
  const path = "/usr/bin/runsc";
  const there = await access(path).then(
    () => true,
    () => false,
  );
  return there ? { runsc: { path, runtimeArgs: ["--network=none"] } } : {};
}

async function answers(socketPath: string): Promise<boolean> {
  return new Docker({ socketPath }).ping().then(
    () => true,
    () => false,
  );
}

async function whyNotPrivate(programs: readonly string[]): Promise<string | null> {
  if (process.getuid?.() !== 0) return "a private container engine needs root";
  for (const program of [...programs, "/usr/bin/setpriv"]) {
    const missing = await access(program).then(
      () => false,
      () => true,
    );
    if (missing) return `${program} is not installed (Debian: apt-get install docker.io podman)`;
  }
  return null;
}
