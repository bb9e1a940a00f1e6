import assert from "node:assert/strict";
import { lstat, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { CairnError } from "../../src/core/errors.ts";
import { DockerSandbox } from "../../src/sandbox/dockerSandbox.ts";
import { run, text } from "../contracts/sandbox.ts";
import { startEngine, type TestEngine } from "../harness/engine.ts";
import { type DockerUnderTest, dockerPlace, testKeeper, testProxy } from "./dockerPlace.ts";
import { startRelay } from "./engineRelay.ts";

const engine = await startEngine();
if ("skipped" in engine) {
  test("the policy of a container", { skip: engine.skipped });
} else {
  after(async () => engine.stop());
  policyAsSeenInside(engine);
  lifeAndDeath(engine);
}
withoutEngine();

function policyAsSeenInside(own: TestEngine): void {
  suite("what a command can do is limited, as seen from inside", () => {
    let place: DockerUnderTest;
    const output = async (command: string): Promise<string> =>
      text((await run(place.sandbox, command)).stdout);
    before(async () => {
      place = await dockerPlace(own);
    });
    after(async () => place.close());

    test("it is an ordinary user without a single capability or a way to get one", async () => {
      const status = await output("id -u; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status");
      const zero = "0000000000000000";
      assert.deepEqual(status.trim().split(/\s+/u), [
        String(process.getuid?.() === 0 ? 1000 : process.getuid?.()),
        ...["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].flatMap((set) => [`${set}:`, zero]),
        "NoNewPrivs:",
        "1",
        "Seccomp:",
        "2",
      ]);
    });

    test("it writes in the workspace, in its own directories and in /tmp, nowhere else", async () => {
      const tries =
        "/workspace/x /agent/logs/x /agent/runtime/x /tmp/x /x /etc/x /usr/bin/x /agent/x";
      const written = await output(
        `for f in ${tries}; do { echo >$f; } 2>/dev/null && echo $f; done`,
      );
      assert.equal(written, "/workspace/x\n/agent/logs/x\n/agent/runtime/x\n/tmp/x\n");
    });

    test("it has no network and no engine", async () => {
      assert.equal(
        await output("ls /sys/class/net; ls /var/run/docker.sock /run/docker.sock"),
        "lo\n",
      );
      const dial = await run(place.sandbox, "exec 3<>/dev/tcp/192.0.2.1/80", 5_000);
      assert.match(text(dial.stderr), /Network is unreachable/u);
    });

    test("a program that takes too much memory is ended, and the shell lives", async () => {
      const hog = await run(
        place.sandbox,
        "word=kept; head -c 1G /dev/zero | tail -c 1G | wc -c; echo ${PIPESTATUS[1]}",
      );
      assert.match(text(hog.stdout), /137\n$/u);
      const python = await run(place.sandbox, "python3 -c 'bytearray(1 << 30)'");
      assert.deepEqual([python.status, python.exitCode, python.outOfMemory], ["exited", 137, true]);
      const killed = await run(place.sandbox, "bash -c 'kill -9 $$'");
      assert.deepEqual([killed.exitCode, killed.outOfMemory], [137, undefined]);
      assert.equal(await output("echo $word"), "kept\n");
    });

    test("the engine holds it to one processor, a number of processes and no swap", async () => {
      const { HostConfig, Config } = await container(own, place.session).inspect();
      assert.deepEqual(
        {
          cpus: HostConfig.NanoCpus,
          memory: [HostConfig.Memory, HostConfig.MemorySwap],
          pids: HostConfig.PidsLimit,
          network: HostConfig.NetworkMode,
          privileged: HostConfig.Privileged,
          drop: HostConfig.CapDrop,
          session: Config.Labels["cairn.session"],
        },
        {
          cpus: 1e9,
          memory: [512 * 1024 * 1024, 512 * 1024 * 1024],
          pids: 256,
          network: "none",
          privileged: false,
          drop: ["ALL"],
          session: place.session,
        },
      );
    });

    test("a fork bomb ends with its shell, and the next command works", async () => {
      await run(place.sandbox, "bomb() { bomb | bomb & }; bomb; sleep 0.3", 3_000);
      await run(place.sandbox, "true", 3_000);
      assert.equal(await output("echo on"), "on\n");
      // What may be left of it in the background is not what the next test is about.
      await place.sandbox.stop();
    });

    test("rm -rf / leaves the host alone", async () => {
      const beside = join(place.state, "beside");
      await writeFile(beside, "mine\n");
      await run(place.sandbox, "rm -rf --no-preserve-root / 2>/dev/null");
      assert.equal(await readFile(beside, "utf8"), "mine\n");
      const next = await run(place.sandbox, "echo on");
      assert.deepEqual([next.status, text(next.stdout), text(next.stderr)], ["exited", "on\n", ""]);
    });
  });
}

function lifeAndDeath(own: TestEngine): void {
  suite("a container comes, goes and is lost without a trace", () => {
    test("nothing is left behind, also of a container that nobody stopped", async (context) => {
      const place = await dockerPlace(own);
      context.after(async () => place.close());
      const again = await dockerPlace(own, place.session);
      context.after(async () => again.close());
      await run(place.sandbox, "sleep 1000 & true");
      await run(again.sandbox, "true");
      assert.equal((await containers(own, place.session)).length, 1);
      await assert.rejects(run(place.sandbox, "true"), isLost);
      await again.sandbox.stop();
      await place.sandbox.stop();
      assert.deepEqual(await containers(own, place.session), []);
    });

    test("files of the workspace become the container's, and links are not followed", async (context) => {
      const place = await dockerPlace(own);
      context.after(async () => place.close());
      const outside = join(place.state, "outside");
      await writeFile(outside, "");
      const { uid } = await lstat(outside);
      await place.sandbox.start();
      await symlink(outside, join(place.tree, "link"));
      await place.sandbox.stop();
      await place.sandbox.start();
      assert.equal((await lstat(outside)).uid, uid);
      assert.equal((await run(place.sandbox, "touch /workspace/mine")).exitCode, 0);
    });

    test("a container that is killed during a command is a lost sandbox", async (context) => {
      const place = await dockerPlace(own);
      context.after(async () => place.close());
      await run(place.sandbox, "true");
      const startedAt = performance.now();
      const running = run(place.sandbox, "sleep 1000");
      await container(own, place.session).kill();
      await assert.rejects(running, isLost);
      assert.ok(performance.now() - startedAt < 10_000);
      assert.equal((await run(place.sandbox, "echo on")).exitCode, 0);
    });

    test("an engine that goes away during a command is a lost sandbox", async (context) => {
      const relay = await startRelay(own.socketPath);
      context.after(async () => relay.close());
      const place = await dockerPlace({ ...own, socketPath: relay.socketPath });
      context.after(async () => place.close());
      await run(place.sandbox, "true");
      const startedAt = performance.now();
      const running = run(place.sandbox, "sleep 1000");
      setTimeout(() => relay.cut(), 200);
      await assert.rejects(running, isLost);
      assert.ok(performance.now() - startedAt < 10_000);
      // Its stdin has ended, and so it goes by itself.
      while ((await containers(own, place.session)).length > 0) {
        assert.ok(performance.now() - startedAt < 15_000);
        await sleep(100);
      }
    });

    test("an image that is missing is named, with the command that builds it", async (context) => {
      const place = await dockerPlace({ ...own, image: "cairn-none:1" });
      context.after(async () => place.close());
      await assert.rejects(place.sandbox.probe(), (error: unknown) => {
        assert.ok(CairnError.is(error, "sandbox.imageMissing"));
        assert.match(error.message, /cairn-none:1 .*docker build -t cairn-none:1 /u);
        return true;
      });
    });
  });
}

function withoutEngine(): void {
  test("an engine that is not there is named, with what to do", async () => {
    const place = await dockerPlace({ socketPath: "/nowhere/docker.sock", image: "any" });
    await assert.rejects(place.sandbox.probe(), (error: unknown) => {
      assert.ok(CairnError.is(error, "sandbox.unavailable"));
      assert.match(
        error.message,
        /at \/nowhere\/docker\.sock\. Start Docker .*--sandbox bubblewrap or --sandbox embedded\.$/u,
      );
      return true;
    });
    await place.close();
  });

  test("a session that cannot name a container is refused", () => {
    for (const session of ["", "../up", "A", "-x", "a".repeat(64), "a b"]) {
      const options = {
        tree: "/t",
        state: "/s",
        marks: "/m",
        image: "i",
        recipe: "sandbox.Dockerfile",
        runtime: null,
        gpus: null,
        keeper: testKeeper,
        dev: null,
        egress: null,
        proxy: testProxy,
        socketPath: null,
        log: () => undefined,
      };
      assert.throws(() => new DockerSandbox({ ...options, session }), { code: "usage.invalid" });
    }
  });
}

function isLost(error: unknown): boolean {
  return CairnError.is(error, "sandbox.lost");
}

function container(own: TestEngine, session: string): Docker.Container {
  return new Docker(own).getContainer(`cairn-${session}`);
}

async function containers(own: TestEngine, session: string): Promise<readonly unknown[]> {
  const label = [`cairn.session=${session}`];
  return new Docker(own).listContainers({ all: true, filters: { label } });
}
