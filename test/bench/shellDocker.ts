import Docker from "dockerode";
import { DockerContainer } from "../../src/sandbox/dockerContainer.ts";
import { run } from "../contracts/sandbox.ts";
import { startEngine, type TestEngine } from "../harness/engine.ts";
import { dockerPlace } from "../sandbox/dockerPlace.ts";
import { BareBash } from "./bareBash.ts";
import { atLeast, atMost, atMostOver, type Measure, median, timed } from "./metric.ts";

const commands = 500;
const execs = 20;
const starts = 10;

/** The session's shell in a container, against a bare bash and an exec a command in the same one. */
export const shellDocker: Measure = async () => {
  const engine = await startEngine();
  if ("skipped" in engine) throw new Error(engine.skipped);
  try {
    return { ...(await commandsOf(engine)), ...(await startsOf(engine)) };
  } finally {
    await engine.stop();
  }
};

async function commandsOf(engine: TestEngine): Promise<Awaited<ReturnType<Measure>>> {
  const place = await dockerPlace(engine);
  try {
    await run(place.sandbox, "true");
    const name = `cairn-${place.session}`;
    const container = new Docker(engine).getContainer(name);
    const bare = new BareBash();
    await bare.open(async (events) => new DockerContainer(container, name).openShell(events));
    const ours: number[] = [];
    const floor: number[] = [];
    for (let n = 0; n < commands; n += 1) {
      ours.push(await timed(async () => run(place.sandbox, "true")));
      floor.push(await timed(async () => bare.run("true")));
    }
    const each: number[] = [];
    for (let n = 0; n < execs; n += 1) each.push(await timed(async () => execOnce(container)));
    const less = median(each) / median(ours);
    console.log(`     an exec a command: ${median(each).toFixed(1)} ms`);
    return {
      "shell.docker.p50_ms": atMostOver(median(ours), median(floor), { unit: "ms", over: 1 }),
      "shell.vs.exec": atLeast(less, "x less", { target: 50 }),
    };
  } finally {
    await place.close();
  }
}

async function startsOf(engine: TestEngine): Promise<Awaited<ReturnType<Measure>>> {
  const cold: number[] = [];
  const again: number[] = [];
  for (let n = 0; n < starts; n += 1) {
    const place = await dockerPlace(engine);
    cold.push(await timed(async () => run(place.sandbox, "true")));
    // After a reload the owner is gone, and another one takes the session on.
    const after = await dockerPlace(engine, place.session);
    again.push(await timed(async () => run(after.sandbox, "true")));
    await after.close();
    await place.close();
  }
  return {
    "ready.docker.p50_ms": atMost(median(cold), "ms", 1000),
    "reattach.docker.p50_ms": atMost(median(again), "ms", 150),
  };
}

async function execOnce(container: Docker.Container): Promise<void> {
  const exec = await container.exec({ Cmd: ["true"], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({ hijack: true, stdin: false });
  await new Promise((resolve) => {
    stream.on("end", resolve).resume();
  });
  await exec.inspect();
}
