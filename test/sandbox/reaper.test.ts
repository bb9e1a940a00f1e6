import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, suite, test } from "node:test";
import Docker from "dockerode";
import { isGone, thisBoot, thisOwner } from "../../src/durable/owner.ts";
import { labelsFor, readLabels } from "../../src/sandbox/containerLabels.ts";
import { reap } from "../../src/sandbox/reaper.ts";
import { startEngine, type TestEngine } from "../harness/engine.ts";
import { testKeeper } from "./dockerPlace.ts";

const { key } = testKeeper;
const gone = { owner: thisOwner(process.pid).replace(/\d+$/u, "1"), boot: thisBoot(), key };
const alive = { owner: thisOwner(process.pid), boot: thisBoot(), key };

test("labels are ours only with the key that sealed them", () => {
  const labels = labelsFor("one", alive);
  assert.deepEqual(readLabels(labels, key), {
    session: "one",
    owner: alive.owner,
    boot: alive.boot,
  });
  assert.equal(readLabels(labels, Buffer.alloc(32, 8)), null);
  assert.equal(readLabels({ ...labels, "cairn.session": "two" }, key), null);
  assert.equal(readLabels({ ...labels, "cairn.owner": gone.owner }, key), null);
  assert.equal(readLabels({ cairn: "1" }, key), null);
  assert.equal(readLabels(null, key), null);
});

test("an owner is gone when its process is, or its boot; never one of another machine", () => {
  assert.equal(isGone(alive), false);
  assert.equal(isGone(gone), true);
  assert.equal(isGone({ ...alive, boot: "an earlier one" }), true);
  assert.equal(isGone({ owner: "elsewhere/1/1", boot: "an earlier one" }), false);
});

const engine = await startEngine();
if ("skipped" in engine) {
  test("what a killed process leaves with the engine", { skip: engine.skipped });
} else {
  after(async () => engine.stop());
  sweeps(engine);
}

function sweeps(own: TestEngine): void {
  const docker = new Docker(own);
  const lines: string[] = [];
  let place = "";
  const sweep = async (): Promise<number> =>
    reap({ marks: join(place, "marks"), key, isGone, log: (line) => lines.push(line) });
  const mark = async (session: string, { owner, boot }: typeof gone): Promise<void> => {
    await mkdir(join(place, "marks"), { recursive: true });
    const text = JSON.stringify({ socketPath: own.socketPath, owner, boot });
    await writeFile(join(place, "marks", session), text);
  };
  const made = async (labels: Record<string, string>): Promise<string> =>
    (await docker.createContainer({ Image: own.image, Labels: labels })).id;
  const here = async (ids: readonly string[]): Promise<readonly string[]> => {
    const all = await docker.listContainers({ all: true });
    return all.map(({ Id }) => Id).filter((id) => ids.includes(id));
  };

  suite("what a killed process leaves with the engine is removed at the next start", () => {
    beforeEach(async () => {
      place = await mkdtemp(join(tmpdir(), "cairn-reaper-"));
      lines.length = 0;
    });
    afterEach(async () => rm(place, { recursive: true, force: true }));

    test("a process killed while its container was held still leaves nothing after the sweep", async () => {
      const holder = startHolder(own, place, "held-still");
      await once(holder.stdout ?? holder, "data");
      const label = ["cairn.session=held-still"];
      const find = async () => docker.listContainers({ all: true, filters: { label } });
      assert.equal(await sweep(), 0, "its process lives");
      holder.kill("SIGKILL");
      await once(holder, "exit");
      const [left] = await find();
      assert.equal(left?.State, "paused");
      assert.equal(await sweep(), 1);
      assert.deepEqual(await find(), []);
      assert.deepEqual(await readdir(join(place, "marks")), []);
      assert.match(
        lines.join("\n"),
        /^removed container \w+, which a process that ended had left$/u,
      );
      assert.equal(await sweep(), 0);
    });

    test("volumes and networks of it go too, and nothing that is another's", async () => {
      const name = `cairn-reaper-${process.pid}`;
      const others = await Promise.all([
        made(labelsFor("living", alive)),
        made(labelsFor("other-key", { ...gone, key: Buffer.alloc(32, 8) })),
        made({ cairn: "1", "cairn.session": "copied", "cairn.owner": gone.owner }),
        made({}),
      ]);
      const dead = await made(labelsFor("dead", gone));
      await docker.createVolume({ Name: `${name}-dead`, Labels: labelsFor("dead", gone) });
      await docker.createVolume({ Name: `${name}-living`, Labels: labelsFor("living", alive) });
      const network = { Name: `${name}-dead`, Internal: true, Labels: labelsFor("dead", gone) };
      await docker.createNetwork(network);
      await mark("dead", gone);
      await mark("living", alive);
      assert.equal(await sweep(), 3);
      const networks = (await docker.listNetworks()).map(({ Name }) => Name);
      assert.equal(networks.includes(`${name}-dead`), false);
      assert.deepEqual((await here([...others, dead])).toSorted(), others.toSorted());
      const { Volumes: volumes } = await docker.listVolumes();
      assert.deepEqual(
        volumes.map(({ Name }) => Name).filter((each) => each.startsWith(name)),
        [`${name}-living`],
      );
      assert.deepEqual(await readdir(join(place, "marks")), ["living"]);
      for (const id of others) await docker.getContainer(id).remove({ force: true });
      await docker.getVolume(`${name}-living`).remove();
    });

    test("an engine that does not answer is asked again at the next start", async () => {
      await mkdir(join(place, "marks"), { recursive: true });
      const { owner, boot } = gone;
      const text = JSON.stringify({ socketPath: join(place, "nothing.sock"), owner, boot });
      await writeFile(join(place, "marks", "dead"), text);
      assert.equal(await sweep(), 0);
      assert.match(lines.join("\n"), /^left for the next start: No container engine answers at /u);
      assert.deepEqual(await readdir(join(place, "marks")), ["dead"]);
    });

    test("without a mark of a dead process no engine is asked", async () => {
      await mark("living", alive);
      await writeFile(join(place, "marks", "strange"), "no mark");
      const startedAt = performance.now();
      assert.equal(await sweep(), 0);
      assert.ok(performance.now() - startedAt < 100);
      assert.deepEqual(lines, []);
    });
  });
}

function startHolder(own: TestEngine, place: string, session: string): ChildProcess {
  const program = new URL("holdsContainer.ts", import.meta.url).pathname;
  const args = [program, own.socketPath, own.image, place, session];
  return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
}
