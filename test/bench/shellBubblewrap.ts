import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { BubblewrapPlace } from "../../src/sandbox/bubblewrapPlace.ts";
import { giveTree } from "../../src/sandbox/giveTree.ts";
import { run } from "../contracts/sandbox.ts";
import { mustRun } from "../harness/command.ts";
import { bubblewrapPlace } from "../sandbox/bubblewrapPlace.ts";
import { BareBash } from "./bareBash.ts";
import { atLeast, atMost, atMostOver, type Measure, median, timed } from "./metric.ts";

const commands = 1000;
const starts = 20;
const memoryMb = 64;

/** The session's shell in bubblewrap, against a bare bash in a place of the same kind. */
export const shellBubblewrap: Measure = async () => {
  const script = join(import.meta.dirname, "shellOutput.ts");
  const text = await mustRun(process.execPath, ["--expose-gc", script]);
  const output = z.object({ mbPerS: z.number(), memoryMb: z.number() }).parse(JSON.parse(text));
  console.log(`     memory above idle: ${output.memoryMb.toFixed(1)} MB (at most ${memoryMb})`);
  const ready: number[] = [];
  for (let n = 0; n < starts; n += 1) {
    const place = await bubblewrapPlace();
    ready.push(await timed(async () => run(place.sandbox, "true")));
    await place.close();
  }
  return {
    "shell.bwrap.p50_ms": await oneCommand(),
    "shell.output.mb_s": atLeast(output.mbPerS, "MB/s", {
      target: 200,
      holds: output.memoryMb <= memoryMb,
    }),
    "ready.bwrap.p50_ms": atMost(median(ready), "ms", 50),
  };
};

async function oneCommand(): Promise<ReturnType<typeof atMostOver>> {
  const place = await bubblewrapPlace();
  const directory = await mkdtemp(join(process.cwd(), "out", "bench-"));
  const at = (name: string): string => join(directory, name);
  const own = { tree: at("tree"), logs: at("logs"), runtime: at("runtime"), pipes: at("pipes") };
  const paths = { ...own, proxy: null };
  for (const path of Object.values(own)) await mkdir(path);
  if (process.getuid?.() === 0) await giveTree(directory, 1000, 1000);
  const worker = new BubblewrapPlace(paths);
  try {
    await worker.start();
    const bare = new BareBash();
    await bare.open(async (events) => worker.openShell(events));
    const ours: number[] = [];
    const floor: number[] = [];
    for (let n = 0; n < commands; n += 1) {
      ours.push(await timed(async () => run(place.sandbox, "true")));
      floor.push(await timed(async () => bare.run("true")));
    }
    return atMostOver(median(ours.slice(1)), median(floor), { unit: "ms", over: 1 });
  } finally {
    await worker.stop();
    await place.close();
    await rm(directory, { recursive: true, force: true });
  }
}
