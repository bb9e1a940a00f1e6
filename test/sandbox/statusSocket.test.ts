import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import type { WorkerStatus } from "../../src/core/workerStatus.ts";
import { runningWorkers, StatusSocket } from "../../src/sandbox/statusSocket.ts";

const ready: WorkerStatus = {
  session: "abc",
  state: "busy",
  backend: "docker",
  image: "cairn-sandbox",
  task: { command: "npm test", startedAt: 1 },
  memoryBytes: 1000,
  cpuMs: 10,
  startedAt: 1,
  lastHeartbeat: 2,
  tools: { bash: "5.2" },
};

async function place() {
  const root = await mkdtemp(join(tmpdir(), "cairn-status-"));
  after(async () => rm(root, { recursive: true, force: true }));
  return root;
}

async function open(workers: readonly WorkerStatus[]) {
  const root = await place();
  const socket = new StatusSocket(root, async () => workers);
  await socket.open();
  after(async () => socket.close());
  const [name = ""] = await readdir(join(root, "run"));
  return { root, socket, path: join(root, "run", name) };
}

async function ask(socketPath: string, path: string, method = "GET") {
  return new Promise<{ code: number | undefined; body: string }>((resolve, reject) => {
    const request = get({ socketPath, path, method }, (response) => {
      text(response).then((body) => resolve({ code: response.statusCode, body }), reject);
    });
    request.once("error", reject);
  });
}

test("the status of every sandbox can be asked for on the socket", async () => {
  const { root, path } = await open([ready]);
  assert.deepEqual(JSON.parse((await ask(path, "/status")).body), {
    pid: process.pid,
    workers: [ready],
  });
  assert.deepEqual(await runningWorkers(root), [{ pid: process.pid, workers: [ready] }]);
});

test("healthz says no as soon as one sandbox does not answer", async () => {
  const healthy = await open([ready]);
  assert.deepEqual(await ask(healthy.path, "/healthz"), {
    code: 200,
    body: '{"healthy":true,"workers":1}\n',
  });
  const silent = await open([ready, { ...ready, state: "silent" }]);
  assert.equal((await ask(silent.path, "/healthz")).code, 503);
});

test("it takes no orders: another path or method is refused", async () => {
  const { path } = await open([]);
  assert.equal((await ask(path, "/")).code, 404);
  assert.equal((await ask(path, "/status", "POST")).code, 405);
  assert.equal((await ask(path, "/../status")).code, 404);
});

test("only its owner can reach the socket, and its name cannot be foreseen", async () => {
  const { root, path } = await open([ready]);
  assert.equal((await stat(join(root, "run"))).mode & 0o777, 0o700);
  assert.equal((await lstat(path)).mode & 0o777, 0o600);
  assert.match(path, /\/[0-9a-f]{16}\.sock$/);
});

test(
  "another local user cannot connect",
  { skip: process.getuid?.() === 0 ? false : "only root can become another user" },
  async () => {
    const { root, path } = await open([ready]);
    // The way there is open, as it is for a home in /tmp; what shuts others out is ours.
    await chmod(root, 0o755);
    const program = `require("node:net").connect(${JSON.stringify(path)})
      .on("connect", () => console.log("in")).on("error", (error) => console.log(error.code))`;
    const child = spawn(process.execPath, ["-e", program], { uid: 65_534, gid: 65_534 });
    assert.equal(await text(child.stdout), "EACCES\n");
  },
);

test("there is no listener on the network", async () => {
  const { path } = await open([ready]);
  const inode = (await readFile("/proc/net/unix", "utf8"))
    .split("\n")
    .filter((line) => line.endsWith(path));
  assert.equal(inode.length, 1);
  const fds = await readdir("/proc/self/fd");
  const mine = new Set(
    await Promise.all(
      fds.map(async (fd) =>
        stat(`/proc/self/fd/${fd}`).then(
          ({ ino }) => ino,
          () => 0,
        ),
      ),
    ),
  );
  for (const table of ["tcp", "tcp6"]) {
    const lines = (await readFile(`/proc/net/${table}`, "utf8")).split("\n").slice(1);
    const listening = lines
      .map((line) => line.trim().split(/\s+/))
      .filter((row) => row[3] === "0A");
    assert.deepEqual(
      listening.filter((row) => mine.has(Number(row[9]))),
      [],
    );
  }
});

test("the socket is gone when the process ends it", async () => {
  const { root, socket } = await open([ready]);
  await socket.close();
  assert.deepEqual(await readdir(join(root, "run")), []);
  assert.deepEqual(await runningWorkers(root), []);
});

test("the socket of a killed process is swept away", async () => {
  const root = await place();
  const program = `
    import { StatusSocket } from ${JSON.stringify(new URL("../../src/sandbox/statusSocket.ts", import.meta.url).href)};
    await new StatusSocket(${JSON.stringify(root)}, async () => []).open();
    console.log("open");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program]);
  await once(child.stdout, "data");
  assert.equal((await runningWorkers(root)).length, 1);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.deepEqual(await runningWorkers(root), []);
  const [name = ""] = await readdir(join(root, "run"));
  const old = new Date(Date.now() - 60_000);
  await utimes(join(root, "run", name), old, old);
  await runningWorkers(root);
  assert.deepEqual(await readdir(join(root, "run")), []);
});

test("a path that is too long for a socket is refused with what to do", async () => {
  const root = join(await place(), "x".repeat(120));
  await assert.rejects(new StatusSocket(root, async () => []).open(), {
    code: "usage.invalid",
    message: /Set CAIRN_HOME/,
  });
});
