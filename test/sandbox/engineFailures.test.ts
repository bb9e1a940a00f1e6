import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import Docker from "dockerode";
import { CairnError } from "../../src/core/errors.ts";
import type { ExecResult } from "../../src/core/ports.ts";
import { reap } from "../../src/sandbox/reaper.ts";
import { run, text } from "../contracts/sandbox.ts";
import { startEngine, type TestEngine } from "../harness/engine.ts";
import { type DockerUnderTest, dockerPlace, testKeeper } from "./dockerPlace.ts";
import { type EngineRelay, type RelayActions, startRelay } from "./engineRelay.ts";

const engine = await startEngine();
if ("skipped" in engine) {
  test("failures of the engine", { skip: engine.skipped });
} else {
  after(async () => engine.stop());
  failingEngine(engine);
  endedFromOutside(engine);
}

/** A command that leaves a trace each time it runs. */
const traced = "echo ran >> /workspace/trace; ";
const withinMs = 10_000;

interface Through extends DockerUnderTest {
  readonly relay: EngineRelay;
}

type Context = { after(work: () => Promise<void>): void };

function failingEngine(own: TestEngine): void {
  const through = async (context: Context, actions: RelayActions = {}): Promise<Through> => {
    const relay = await startRelay(own.socketPath, actions);
    const place = await dockerPlace({ ...own, socketPath: relay.socketPath });
    context.after(async () => {
      await place.close();
      await relay.close();
    });
    return { ...place, relay };
  };

  suite("an engine that fails is a typed error in time, and nothing is run twice", () => {
    test("it dies in the middle of a command", async (context) => {
      const place = await through(context);
      await run(place.sandbox, "true");
      const running = run(place.sandbox, `${traced}sleep 1000`);
      setTimeout(() => place.relay.cut(), 500);
      await lostInTime(running);
      await leavesOneTrace(own, place);
    });

    test("it ends every connection politely in the middle of a command", async (context) => {
      const place = await through(context);
      await run(place.sandbox, "true");
      const running = run(place.sandbox, `${traced}sleep 1000`);
      setTimeout(() => place.relay.end(), 500);
      await lostInTime(running);
      await leavesOneTrace(own, place);
    });

    test("it dies in the middle of the output", async (context) => {
      const cut: { relay: EngineRelay | null; left: number } = { relay: null, left: Infinity };
      const place = await through(context, {
        toClient: (bytes) => {
          cut.left -= bytes.length;
          if (cut.left < 0) cut.relay?.cut();
          return bytes;
        },
      });
      await run(place.sandbox, "true");
      cut.relay = place.relay;
      cut.left = 2_000_000;
      await lostInTime(run(place.sandbox, `${traced}head -c 50000000 /dev/zero; sleep 1000`));
      await leavesOneTrace(own, place);
    });

    test("what it sends is no frame any more", async (context) => {
      const broken = { now: false };
      const place = await through(context, {
        toClient: (bytes, request) =>
          broken.now && /^POST \/exec\/\w+\/start/u.test(request)
            ? Buffer.alloc(bytes.length, 0xee)
            : bytes,
      });
      await run(place.sandbox, "true");
      broken.now = true;
      await lostInTime(run(place.sandbox, `${traced}echo hello; sleep 1000`));
      await leavesOneTrace(own, place);
    });

    test("it says nothing any more while a command runs", async (context) => {
      const place = await through(context);
      await run(place.sandbox, "true");
      const running = run(place.sandbox, `${traced}sleep 1000`);
      setTimeout(() => place.relay.stall(), 500);
      await lostInTime(running);
      place.relay.cut();
      await leavesOneTrace(own, place);
    });

    test("it dies before it says how a process ended", async (context) => {
      const cut: { relay: EngineRelay | null } = { relay: null };
      const place = await through(context, {
        toEngine: (request, body) => {
          if (/^GET \/exec\/\w+\/json/u.test(request)) cut.relay?.cut();
          return body;
        },
      });
      await run(place.sandbox, "true");
      cut.relay = place.relay;
      await lostInTime(run(place.sandbox, `${traced}exit 3`));
      await leavesOneTrace(own, place);
    });

    test("it dies while it creates the container, and the sweep finds what it made", async (context) => {
      const cut: { relay: EngineRelay | null } = { relay: null };
      const place = await through(context, {
        toClient: (bytes, request) => {
          if (request.startsWith("POST /containers/create")) cut.relay?.cut();
          return bytes;
        },
      });
      cut.relay = place.relay;
      const startedAt = performance.now();
      await assert.rejects(place.sandbox.start(), { code: "sandbox.unavailable" });
      assert.ok(performance.now() - startedAt < withinMs);
      assert.equal((await containers(own, place.session)).length, 1);
      await swept(own, place);
    });

    test("it says nothing any more while it starts the container", async (context) => {
      const stalling: { relay: EngineRelay | null } = { relay: null };
      const place = await through(context, {
        toEngine: (request, body) => {
          if (/^POST \/containers\/\w+\/start/u.test(request)) stalling.relay?.stall();
          return body;
        },
      });
      stalling.relay = place.relay;
      const startedAt = performance.now();
      await assert.rejects(place.sandbox.start(), { code: "sandbox.unavailable" });
      assert.ok(performance.now() - startedAt < withinMs + 3_000);
      place.relay.cut();
      await swept(own, place);
    });
  });
}

function endedFromOutside(own: TestEngine): void {
  const cases: Readonly<
    Record<string, readonly [act: (container: Docker.Container) => Promise<unknown>, said: RegExp]>
  > = {
    "is stopped": [async (container) => container.stop({ t: 0 }), /was stopped from outside/u],
    "is killed": [async (container) => container.kill(), /was killed or removed from outside/u],
    "is removed": [
      async (container) => container.remove({ force: true }),
      /was killed or removed from outside/u,
    ],
    "is paused": [async (container) => container.pause(), /was paused from outside/u],
  };
  suite("a container that ends from outside is a typed error that names why", () => {
    for (const [sentence, [act, said]] of Object.entries(cases)) {
      test(`it ${sentence} while a command runs`, async (context) => {
        const place = await dockerPlace(own);
        context.after(async () => place.close());
        await run(place.sandbox, "true");
        const running = run(place.sandbox, `${traced}sleep 1000`);
        const container = new Docker(own).getContainer(`cairn-${place.session}`);
        setTimeout(() => void act(container), 300);
        assert.match((await lostInTime(running)).message, said);
        assert.deepEqual(await containers(own, place.session), []);
        assert.equal(text((await run(place.sandbox, "cat /workspace/trace")).stdout), "ran\n");
      });
    }

    test("it is out of memory as a whole", async (context) => {
      const place = await dockerPlace(own);
      context.after(async () => place.close());
      // The kernel takes who asks for it first: here the first process, and all others with it.
      await run(place.sandbox, "echo 1000 > /proc/1/oom_score_adj");
      const hog = `${traced}head -c 1G /dev/zero | tail -c 1G >/dev/null; sleep 1000`;
      const { message } = await lostInTime(run(place.sandbox, hog), 20_000);
      assert.match(message, /ended because it was out of memory/u);
      assert.equal(text((await run(place.sandbox, "cat /workspace/trace")).stdout), "ran\n");
    });
  });
}

async function lostInTime(running: Promise<ExecResult>, ms = withinMs): Promise<CairnError> {
  const startedAt = performance.now();
  try {
    await running;
  } catch (error) {
    assert.ok(CairnError.is(error, "sandbox.lost"), String(error));
    const took = performance.now() - startedAt;
    assert.ok(took < ms, `${took} ms`);
    return error;
  }
  throw new assert.AssertionError({ message: "The command came to an end." });
}

/** Nothing ran again, and nothing of the container is left once its engine can be asked. */
async function leavesOneTrace(own: TestEngine, place: DockerUnderTest): Promise<void> {
  await swept(own, place);
  assert.equal(await readFile(join(place.tree, "trace"), "utf8"), "ran\n");
}

async function swept(own: TestEngine, place: DockerUnderTest): Promise<void> {
  const lines: string[] = [];
  // The relay is gone; the engine behind it is what a later process would find.
  const mark = { ...testKeeper, key: undefined, socketPath: own.socketPath };
  await writeFile(join(place.marks, place.session), JSON.stringify(mark));
  await reap({
    marks: place.marks,
    key: testKeeper.key,
    isGone: () => true,
    log: (line) => lines.push(line),
  });
  assert.deepEqual(await containers(own, place.session), [], lines.join("\n"));
}

async function containers(own: TestEngine, session: string): Promise<readonly unknown[]> {
  const label = [`cairn.session=${session}`];
  return new Docker(own).listContainers({ all: true, filters: { label } });
}
