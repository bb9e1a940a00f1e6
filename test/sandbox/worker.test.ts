import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import Docker from "dockerode";
import { CairnError } from "../../src/core/errors.ts";
import { stateAfter } from "../../src/sandbox/workerLife.ts";
import { DockerSandbox } from "../../src/sandbox/dockerSandbox.ts";
import { KnownTools } from "../../src/sandbox/knownTools.ts";
import { Worker } from "../../src/sandbox/worker.ts";
import { Workers } from "../../src/sandbox/workers.ts";
import { executeHandedOn } from "../contracts/execute.ts";
import { run, sandboxContract, text } from "../contracts/sandbox.ts";
import { startEngine, type TestEngine } from "../harness/engine.ts";
import { FakeSandbox } from "../fakes/fakeSandbox.ts";
import { dockerPlace } from "./dockerPlace.ts";

const root = await mkdtemp(join(tmpdir(), "cairn-worker-"));
after(async () => rm(root, { recursive: true, force: true }));

/** Figures are those of a moment ago: the engine counts once a second. */
const countedMs = 1_600;

class PlaceThatFallsSilent extends FakeSandbox {
  silent = false;
  asked = 0;
  override async usage(): Promise<null> {
    this.asked += 1;
    if (this.silent) await new Promise(() => {});
    return null;
  }
}

function workerOf(host: FakeSandbox, misses = 2) {
  const life: string[] = [];
  const workers = new Workers(root, () => {});
  const worker = new Worker({
    session: "session",
    info: { backend: "embedded", image: null, digest: "fake" },
    make: () => host,
    log: () => {},
    note: (line) => life.push(line),
    tools: new KnownTools(root),
    workers,
    heart: { everyMs: 20, withinMs: 20, misses },
  });
  after(async () => {
    await worker.stop();
    await workers.close();
  });
  return { worker, life, workers };
}

suite("the life of a worker", () => {
  test("it is spawned, checked and registered before its first task, and each step is logged", async () => {
    const { worker, life } = workerOf(new FakeSandbox());
    await run(worker, "true");
    await worker.stop();
    assert.deepEqual(life, [
      "down → spawning (spawn)",
      "spawning → checking (spawned)",
      "checking → registering (healthy)",
      "registering → ready (registered)",
      "can: nothing that was looked for",
      "ready → stopping (shutdown)",
      "stopping → down (terminated)",
    ]);
  });

  test("the heart beats while a task runs, and not when nothing does", async () => {
    const host = new PlaceThatFallsSilent();
    const { worker } = workerOf(host);
    host.onRun = async () => sleep(150);
    await run(worker, "sleep");
    const beats = host.asked;
    assert.ok(beats >= 4, `it was asked ${beats} times`);
    await sleep(100);
    assert.equal(host.asked, beats);
    assert.notEqual((await worker.status()).lastHeartbeat, null);
  });

  test("a place that does not answer is reported as lost, and the command is not run again", async () => {
    const host = new PlaceThatFallsSilent();
    const { worker, life } = workerOf(host);
    await run(worker, "true");
    host.onRun = async () => {
      host.silent = true;
      await new Promise(() => {});
    };
    await assert.rejects(run(worker, "hang"), { code: "sandbox.lost" });
    assert.deepEqual(
      host.commands.filter((command) => command === "hang"),
      ["hang"],
    );
    assert.ok(life.includes("busy → silent (missed)"));
    assert.equal((await worker.status()).state, "lost");
    host.silent = false;
    host.onRun = async () => {};
    assert.equal(text((await run(worker, "echo")).stdout), "ok\n");
    assert.equal((await worker.status()).state, "ready");
  });

  test("a place that answers late is silent for a while and then busy again", async () => {
    const host = new PlaceThatFallsSilent();
    const { worker, life } = workerOf(host, 100);
    host.onRun = async (command) => {
      if (command !== "slow") return;
      host.silent = true;
      await sleep(50);
      host.silent = false;
      await sleep(100);
    };
    await run(worker, "slow");
    assert.deepEqual(
      life.filter((line) => /silent/.test(line)),
      ["busy → silent (missed)", "silent → busy (beat)"],
    );
  });

  test("a place that cannot start is lost, and the next task tries again", async () => {
    const host = new FakeSandbox();
    const { worker } = workerOf(host);
    const start = host.start.bind(host);
    host.start = async () => {
      throw new CairnError("sandbox.unavailable", "It does not start.");
    };
    await assert.rejects(run(worker, "true"), { code: "sandbox.unavailable" });
    assert.equal((await worker.status()).state, "lost");
    host.start = start;
    await run(worker, "true");
  });

  test("what is found inside is looked for once for an image", async () => {
    const host = new FakeSandbox();
    const first = workerOf(host);
    await run(first.worker, "true");
    const again = workerOf(host);
    await run(again.worker, "true");
    assert.deepEqual(host.commands, ["true", "true"]);
  });

  test("an event that means nothing in a state changes nothing", () => {
    assert.equal(stateAfter("down", "result"), null);
    assert.equal(stateAfter("stopping", "task"), null);
    assert.equal(stateAfter("lost", "beat"), null);
  });
});

async function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

const started = await startEngine();
if ("skipped" in started) {
  test("a worker in a container", { skip: started.skipped });
} else {
  after(async () => started.stop());
  inContainers(started);
}

function inContainers(engine: TestEngine): void {
  const make = async () => {
    const under = await dockerPlace(engine);
    const workers = new Workers(under.state, () => {});
    const lines: string[] = [];
    const worker = new Worker({
      session: under.session,
      info: { backend: "docker", image: "test", digest: "sha256:test" },
      make: (log) => new DockerSandbox({ ...under, ...engine, dev: null, egress: null, log }),
      log: (line) => lines.push(line),
      note: () => {},
      tools: new KnownTools(under.state),
      workers,
    });
    const close = async (): Promise<void> => {
      await worker.stop();
      await workers.close();
      await under.close();
    };
    return { ...under, sandbox: worker, lines, close };
  };
  sandboxContract("a worker in a container", make, { realBash: true });
  executeHandedOn("a worker in a container", make);

  suite("a worker in a container", () => {
    test("it says what can be used inside, and how much it uses", async () => {
      const { sandbox, close } = await make();
      await run(sandbox, "word=$(head -c 20000000 /dev/zero | tr '\\0' x)");
      await sleep(countedMs);
      const status = await sandbox.status();
      assert.equal(status.state, "ready");
      assert.match(status.tools["bash"] ?? "", /^5\.\d/);
      assert.match(status.tools["python3"] ?? "", /^3\.\d/);
      assert.ok((status.memoryBytes ?? 0) > 15_000_000, `${status.memoryBytes} bytes`);
      assert.ok((status.cpuMs ?? 0) > 0);
      await close();
    });

    test("a process that wants to tidy up is given the time to, and one that does not is ended", async () => {
      const { sandbox, tree, close } = await make();
      await run(
        sandbox,
        `bash -c "trap 'sleep 0.3; echo tidy > tidy; exit' TERM; touch armed; while :; do sleep 0.05; done" &
         (trap '' TERM; while :; do sleep 0.05; done) & until [ -e armed ]; do sleep 0.05; done`,
      );
      const before = performance.now();
      await sandbox.stop();
      assert.ok(performance.now() - before < 8_000);
      assert.equal(await readFile(join(tree, "tidy"), "utf8"), "tidy\n");
      await close();
    });

    test("a container that was ended from outside is seen as lost", async () => {
      const { sandbox, session, close } = await make();
      await run(sandbox, "true");
      await killContainer(engine, session);
      await sleep(countedMs);
      const status = await sandbox.status();
      assert.deepEqual([status.state, status.memoryBytes], ["lost", null]);
      await close();
    });
  });
}

async function killContainer({ socketPath }: TestEngine, session: string): Promise<void> {
  const container = new Docker({ socketPath }).getContainer(`cairn-${session}`);
  await container.kill();
  await container.wait({ condition: "removed" }).catch(() => undefined);
}
