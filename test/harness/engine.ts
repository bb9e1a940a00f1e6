import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { command, mustRun } from "./command.ts";
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
  const skipped = await whyNotPrivate();
  return skipped === null ? startPrivateEngine() : { skipped };
}

async function startPrivateEngine(): Promise<TestEngine> {
  const state = await mkdtemp("/tmp/cairn-engine-");
  await writeFile(join(state, "daemon.json"), "{}");
  const socketPath = join(state, "docker.sock");
  const dockerd = startDockerd(state, socketPath);
  const stop = async (): Promise<void> => {
    if (dockerd.exitCode === null && dockerd.signalCode === null) {
      dockerd.kill("SIGTERM");
      await once(dockerd, "exit");
    }
    // Left mounted by a container that had the host's network.
    await command("umount", [join(state, "run/netns/default")]);
    await rm(state, { recursive: true, force: true });
  };
  try {
    const giveUpAt = Date.now() + readyWithinMs;
    while (!(await answers(socketPath))) {
      if (dockerd.exitCode !== null || Date.now() > giveUpAt) {
        const log = await readFile(join(state, "log"), "utf8");
        throw new Error(`dockerd does not answer.\n${log.slice(-4000)}`);
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

function startDockerd(state: string, socketPath: string): ChildProcess {
  const places = ["--data-root", join(state, "data"), "--exec-root", join(state, "run")];
  const config = ["--config-file", join(state, "daemon.json"), "--pidfile", join(state, "pid")];
  const network = ["--bridge=none", "--iptables=false", "--ip6tables=false"];
  const options = [...places, ...config, ...network, "-H", `unix://${socketPath}`];
  // The engine ends with the test, however the test ends.
  const args = ["--pdeathsig", "TERM", "dockerd", ...options];
  const dockerd = spawn("setpriv", args, { stdio: ["ignore", "pipe", "pipe"] });
  const log = createWriteStream(join(state, "log"));
  dockerd.stdout.pipe(log);
  dockerd.stderr.pipe(log);
  return dockerd;
}

async function makeImage(socketPath: string): Promise<void> {
  const images = await new Docker({ socketPath }).listImages({ filters: { reference: [image] } });
  if (images.length > 0) return;
  const env = { ...process.env, DOCKER_HOST: `unix://${socketPath}` };
  await mustRun(join(root, "docker/makeTestImage.sh"), [image], { env });
}

async function answers(socketPath: string): Promise<boolean> {
  return new Docker({ socketPath }).ping().then(
    () => true,
    () => false,
  );
}

async function whyNotPrivate(): Promise<string | null> {
  if (process.getuid?.() !== 0) return "a private container engine needs root";
  for (const program of ["/usr/sbin/dockerd", "/usr/bin/setpriv"]) {
    const missing = await access(program).then(
      () => false,
      () => true,
    );
    if (missing) return `${program} is not installed (Debian: apt-get install docker.io)`;
  }
  return null;
}
