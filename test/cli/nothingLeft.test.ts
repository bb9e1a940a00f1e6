import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { thisBoot, thisOwner } from "../../src/durable/owner.ts";
import { labelsFor } from "../../src/sandbox/containerLabels.ts";
import { storeKey } from "../../src/durable/storePlace.ts";
import { command } from "../harness/command.ts";
import { startEngine, type TestEngine } from "../harness/engine.ts";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";
import type { Reply } from "./scriptedServer.ts";

const built = new URL("../../dist/cli.js", import.meta.url).pathname;
const cairn = new Cairn();
after(() => cairn.remove());
const started = await startEngine();
if ("skipped" in started) {
  test("what a session starts and leaves", { skip: started.skipped });
} else {
  after(async () => started.stop());
  whileItRuns(started);
  afterItsEnd(started);
}

const forever: Reply = {
  text: "working",
  calls: [{ id: "call_1", tool: "exec", args: { command: "echo begun; sleep 600" } }],
};
/** What an agent would leave to be run by a tool of the user. */
const traps: Reply = {
  text: "working",
  calls: [
    {
      id: "call_1",
      tool: "exec",
      args: {
        command: [
          "mkdir -p .devcontainer .vscode .git/hooks",
          `echo '{"initializeCommand": "touch /tmp/cairn-trap-1"}' > .devcontainer/devcontainer.json`,
          `echo '{"tasks": [{"label": "a", "command": "touch /tmp/cairn-trap-2", "runOptions": {"runOn": "folderOpen"}}]}' > .vscode/tasks.json`,
          "echo 'touch /tmp/cairn-trap-3' > .envrc",
          "echo '[core] fsmonitor = touch /tmp/cairn-trap-4' > .git/config",
        ].join("; "),
      },
    },
  ],
};

interface Running {
  readonly desk: Desk;
  readonly process: ChildProcess;
  readonly pid: number;
}

/** The command line with a command that runs in a container, until it is ended. */
async function begin(own: TestEngine): Promise<Running> {
  const desk = await Desk.open(cairn, [forever]);
  const model = ["--model-url", desk.server.url, "--model", "scripted", "--goal", "wait"];
  const where = ["--sandbox", "docker", "--image", own.image, "--workspace", desk.workspace];
  const child = spawn(process.execPath, [built, "run", ...model, ...where], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      PATH: process.env["PATH"],
      CAIRN_HOME: cairn.home,
      OPENAI_API_KEY: "sk-test-0123456789abcdef",
      DOCKER_HOST: `unix://${own.socketPath}`,
    },
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  while (!said.includes("$ echo begun")) {
    assert.equal(child.exitCode, null, said);
    await sleep(50);
  }
  assert.ok(child.pid !== undefined);
  return { desk, process: child, pid: child.pid };
}

async function kill({ process: child }: Running): Promise<void> {
  child.kill("SIGKILL");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

function whileItRuns(own: TestEngine): void {
  suite("while a session runs", () => {
    test("its process listens nowhere but on sockets that only its user can open", async (context) => {
      const running = await begin(own);
      context.after(async () => kill(running));
      const sockets = new Set(
        readdirSync(`/proc/${running.pid}/fd`).flatMap((fd) => {
          const target = linkOrNone(`/proc/${running.pid}/fd/${fd}`);
          return /^socket:\[(\d+)\]$/u.exec(target)?.[1] ?? [];
        }),
      );
      const listening = ["tcp", "tcp6"].flatMap((table) =>
        readFileSync(`/proc/${running.pid}/net/${table}`, "utf8")
          .split("\n")
          .map((line) => line.trim().split(/\s+/u))
          .filter((fields) => fields[3] === "0A" && sockets.has(fields[9] ?? "")),
      );
      assert.deepEqual(listening, []);
      const paths = readFileSync(`/proc/${running.pid}/net/unix`, "utf8")
        .split("\n")
        .map((line) => line.trim().split(/\s+/u))
        // Flag 00010000: it accepts connections.
        .filter((fields) => fields[3] === "00010000" && sockets.has(fields[6] ?? ""))
        .flatMap((fields) => fields[7] ?? []);
      for (const path of paths) assert.equal(lstatSync(path).mode & 0o077, 0, path);
    });

    test("another user of the machine reads none of its files", async (context) => {
      const running = await begin(own);
      context.after(async () => kill(running));
      for (const path of [cairn.home, join(running.desk.workspace, ".cairn")]) {
        const other = ["--reuid", "1234", "--regid", "1234", "--clear-groups", "ls", path];
        const { code, output } = await command("setpriv", other);
        assert.notEqual(code, 0, `${path}: ${output}`);
      }
    });

    test("nothing but itself is ever started on the host, whatever the agent leaves in its tree", async (context) => {
      if (!existsSync("/usr/bin/strace")) {
        context.skip("strace is not installed");
        return;
      }
      const desk = await Desk.open(cairn, [traps, { text: "done" }]);
      const trace = join(cairn.place, "trace");
      const model = ["--model-url", desk.server.url, "--model", "scripted", "--goal", "leave them"];
      const where = ["--sandbox", "docker", "--image", own.image, "--workspace", desk.workspace];
      const env = {
        PATH: process.env["PATH"],
        CAIRN_HOME: cairn.home,
        OPENAI_API_KEY: "sk-test-0123456789abcdef",
        DOCKER_HOST: `unix://${own.socketPath}`,
      };
      const traced = ["-f", "-e", "trace=execve", "-o", trace, process.execPath, built];
      const ran = await command("strace", [...traced, "run", ...model, ...where], { env });
      assert.equal(ran.code, 3, ran.output);
      const { session } = await desk.session();
      const replay = await command(
        "strace",
        [...traced, "replay", session, "--workspace", desk.workspace],
        { env },
      );
      assert.equal(replay.code, 3, replay.output);
      const programs = [...readFileSync(trace, "utf8").matchAll(/execve\("([^"]*)"/gu)];
      assert.deepEqual([...new Set(programs.map(([, program]) => program))], [process.execPath]);
      assert.deepEqual(readdirSync(desk.workspace), [".cairn"]);
      assert.deepEqual(
        readdirSync("/tmp").filter((name) => name.startsWith("cairn-trap")),
        [],
      );
    });
  });
}

function afterItsEnd(own: TestEngine): void {
  const docker = new Docker(own);
  const ours = async (): Promise<readonly unknown[]> => {
    const filters = { label: ["cairn=1"] };
    const { Volumes: volumes } = await docker.listVolumes({ filters });
    return [
      ...(await docker.listContainers({ all: true, filters })),
      ...(await docker.listNetworks({ filters })),
      ...volumes,
    ];
  };
  suite("after a session's end", () => {
    test("a process that is killed leaves no container, and the next start forgets it", async () => {
      const running = await begin(own);
      assert.equal((await ours()).length, 1);
      await kill(running);
      const giveUpAt = performance.now() + 10_000;
      while ((await ours()).length > 0) {
        assert.ok(performance.now() < giveUpAt);
        await sleep(100);
      }
      assert.equal(readdirSync(join(cairn.home, "containers")).length > 0, true);
      const environment = { DOCKER_HOST: `unix://${own.socketPath}` };
      const where = ["--workspace", running.desk.workspace];
      assert.equal((await cairn.run(["sessions", ...where], { environment })).code, 0);
      assert.deepEqual(readdirSync(join(cairn.home, "containers")), []);
    });

    test("a session that is cancelled leaves none", async () => {
      const running = await begin(own);
      running.process.kill("SIGTERM");
      await once(running.process, "exit");
      const { session } = await running.desk.session();
      const cancelled = await running.desk.do(["cancel", session]);
      assert.equal(cancelled.code, 0, cancelled.stderr);
      const giveUpAt = performance.now() + 10_000;
      while ((await ours()).length > 0) {
        assert.ok(performance.now() < giveUpAt);
        await sleep(100);
      }
    });

    test("what an engine kept of a dead process is removed by whatever starts next, and only that", async () => {
      const dead = {
        owner: thisOwner(process.pid).replace(/\d+$/u, "1"),
        boot: thisBoot(),
        key: storeKey(cairn.home),
      };
      const make = async (labels: Record<string, string>): Promise<string> =>
        (await docker.createContainer({ Image: own.image, Labels: labels })).id;
      await make(labelsFor("dead", dead));
      const other = await make({ ...labelsFor("dead", { ...dead, key: Buffer.alloc(32) }) });
      const { owner, boot } = dead;
      mkdirSync(join(cairn.home, "containers"), { recursive: true });
      writeFileSync(
        join(cairn.home, "containers", "dead"),
        JSON.stringify({ socketPath: own.socketPath, owner, boot }),
      );
      await cairn.run(["sessions", "--workspace", cairn.folder()]);
      assert.equal((await ours()).length, 1);
      await docker.getContainer(other).remove({ force: true });
    });
  });
}

function linkOrNone(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
