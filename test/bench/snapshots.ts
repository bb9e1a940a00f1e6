import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { EmbeddedDriver } from "../../src/durable/embeddedDriver.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { readFolderRules as rules } from "../../src/rules/readFolderRules.ts";
import { SnapshotTrees } from "../../src/snapshot/snapshotTrees.ts";
import { startRecord } from "../contracts/driver.ts";
import { manyFiles } from "./manyFiles.ts";
import { atMost, median, ratioAtMost, type Measure, type Metric } from "./metric.ts";

const session = "bench";
const touched = 4;

/** A folder of so many files, and the parts of a session that works on a copy of it. */
class Bench {
  readonly root = mkdtempSync(join(process.cwd(), "out", "bench-"));
  readonly workspace = join(this.root, "workspace");
  readonly tree = join(this.root, "tree");
  readonly store = join(this.root, "store");
  readonly paths: readonly string[];
  readonly #drivers: EmbeddedDriver[] = [];
  #changes = 0;

  constructor(count: number) {
    for (const folder of [this.workspace, this.store]) mkdirSync(folder);
    this.paths = manyFiles(this.workspace, count);
  }

  /** Trees over a store of their own, which is empty. */
  async open(): Promise<SnapshotTrees> {
    const driver = new EmbeddedDriver({
      worker: new URL("../../dist/storeWorker.cjs", import.meta.url),
      path: join(this.store, `${this.#drivers.length}.db`),
      key: new Uint8Array(32),
      owner: thisOwner(process.pid),
    });
    this.#drivers.push(driver);
    await driver.create(session, startRecord());
    const blobs = {
      putBlobs: async (bytes: readonly Uint8Array[]) => driver.putBlobs(session, bytes),
      getBlob: async (digest: string) => driver.getBlob(digest),
    };
    const { workspace, tree } = this;
    return new SnapshotTrees({ workspace, tree, blobs, owner: null, rules });
  }

  /** Changes a few files, other ones each time. */
  touch(root = this.tree): void {
    for (let n = 0; n < touched; n += 1) {
      this.#changes += 1;
      const path = this.paths[(this.#changes * 977) % this.paths.length] ?? "";
      writeFileSync(join(root, path), `change ${this.#changes}\n`);
    }
  }

  /** Closes the newest store; what it takes of the disk. */
  async closed(): Promise<number> {
    const number = this.#drivers.length - 1;
    await this.#drivers[number]?.close();
    const names = readdirSync(this.store).filter((name) => name.startsWith(`${number}.db`));
    return names.reduce((sum, name) => sum + taken(join(this.store, name)), 0);
  }

  async end(): Promise<void> {
    await Promise.all(this.#drivers.map(async (driver) => driver.close()));
    rmSync(this.root, { recursive: true, force: true });
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** What no snapshot can do without: every name, and what the system says of it. */
function walk(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = `${folder}/${name}`;
    if (lstatSync(path).isDirectory()) walk(path);
  }
}

/** A checkpoint after a few changes against a walk of the same files, in turns. */
async function warm(
  count: number,
  rounds: number,
): Promise<{ readonly metric: Metric; readonly bench: Bench; readonly trees: SnapshotTrees }> {
  const bench = new Bench(count);
  const trees = await bench.open();
  await trees.seed();
  await trees.capture();
  const [own, floor]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    bench.touch();
    floor.push(await timed(async () => walk(bench.tree)));
    own.push(await timed(async () => trees.capture()));
  }
  const metric = ratioAtMost(median(own), median(floor), { unit: "ms", target: 1.3 });
  return { metric, bench, trees };
}

/** Git without the settings of whoever runs this. */
function git(cwd: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): string {
  const env = {
    PATH: process.env["PATH"],
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    ...environment,
  };
  const who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"];
  return execFileSync("git", [...who, ...args], { cwd, env, encoding: "utf8" });
}

/** Against what others do at a checkpoint, each on files of its own, in turns. */
async function peers(bench: Bench, trees: SnapshotTrees): Promise<Record<string, Metric>> {
  const stash = join(bench.root, "stash");
  const shadow = join(bench.root, "shadow");
  for (const copy of [stash, shadow]) execFileSync("cp", ["-a", bench.workspace, copy]);
  git(stash, ["init", "-q"]);
  git(stash, ["add", "-A"]);
  git(stash, ["commit", "-q", "-m", "start"]);
  const beside = { GIT_DIR: join(bench.root, "shadow.git"), GIT_WORK_TREE: shadow };
  git(shadow, ["init", "-q"], beside);
  git(shadow, ["add", "-A"], beside);
  const [own, stashed, shadowed]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < 5; round += 1) {
    for (const root of [bench.tree, stash, shadow]) bench.touch(root);
    own.push(await timed(async () => trees.capture()));
    stashed.push(await timed(async () => git(stash, ["stash", "create"])));
    shadowed.push(
      await timed(async () => {
        git(shadow, ["add", "-A"], beside);
        git(shadow, ["write-tree"], beside);
      }),
    );
  }
  return {
    "snapshot.vs.stash": ratioAtMost(median(own), median(stashed), { unit: "ms", target: 1 }),
    "snapshot.vs.shadow": ratioAtMost(median(own), median(shadowed), { unit: "ms", target: 1 }),
  };
}

async function goingBack(bench: Bench, trees: SnapshotTrees): Promise<Metric> {
  const { tree } = await trees.capture();
  const took: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    bench.touch();
    took.push(await timed(async () => trees.restore(tree)));
  }
  return atMost(median(took), "ms", 500);
}

/** Everything new: a checkpoint into an empty store, `git add -A` into an empty repository. */
async function first(bench: Bench): Promise<Record<string, Metric>> {
  const [own, peer]: [number[], number[]] = [[], []];
  let [bytes, gitBytes] = [0, 0];
  for (let round = 0; round < 3; round += 1) {
    const beside = { GIT_DIR: join(bench.root, "first.git"), GIT_WORK_TREE: bench.tree };
    git(bench.tree, ["init", "-q"], beside);
    peer.push(await timed(async () => git(bench.tree, ["add", "-A"], beside)));
    gitBytes = bytesIn(beside.GIT_DIR);
    rmSync(beside.GIT_DIR, { recursive: true });
    const trees = await bench.open();
    own.push(await timed(async () => trees.capture()));
    bytes = await bench.closed();
  }
  return {
    "snapshot.first.ratio": ratioAtMost(median(own), median(peer), { unit: "ms", target: 2 }),
    "snapshot.first.bytes_ratio": ratioAtMost(bytes, gitBytes, { unit: "bytes", target: 1 }),
  };
}

/** Bytes of the disk that a file takes: of 20,000 small ones more than they hold. */
function taken(path: string): number {
  return statSync(path).blocks * 512;
}

function bytesIn(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.reduce((sum, file) => sum + taken(join(file.parentPath, file.name)), 0);
}

/** A session's copy of the folder, stored, against a plain copy, in turns. */
async function seeding(bench: Bench): Promise<Metric> {
  const [own, floor]: [number[], number[]] = [[], []];
  const copy = join(bench.root, "copy");
  for (let round = 0; round < 3; round += 1) {
    const trees = await bench.open();
    rmSync(bench.tree, { recursive: true, force: true });
    rmSync(copy, { recursive: true, force: true });
    floor.push(
      await timed(async () => execFileSync("cp", ["-a", "--reflink=auto", bench.workspace, copy])),
    );
    own.push(await timed(async () => trees.seed()));
    await bench.closed();
  }
  return ratioAtMost(median(own), median(floor), { unit: "ms", target: 1.5 });
}

export const snapshots: Measure = async () => {
  const metrics: Record<string, Metric> = {};
  const small = await warm(2_000, 31);
  metrics["snapshot.2k.ratio"] = small.metric;
  await small.bench.end();
  const { metric, bench, trees } = await warm(20_000, 15);
  metrics["snapshot.20k.ratio"] = metric;
  Object.assign(metrics, await peers(bench, trees));
  metrics["restore.20k_ms"] = await goingBack(bench, trees);
  Object.assign(metrics, await first(bench));
  metrics["seed.20k.ratio"] = await seeding(bench);
  await bench.end();
  const large = await warm(100_000, 7);
  metrics["snapshot.100k.ratio"] = large.metric;
  await large.bench.end();
  return metrics;
};
