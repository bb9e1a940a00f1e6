import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { namedProfile } from "../../src/core/profile.ts";
import { Engine } from "../../src/engine.ts";
import { mustRun } from "../harness/command.ts";
import { atMost, median, percentile, type Measure } from "./metric.ts";

const files = 2_000;
const samples = 30;

/**
 * From the goal being submitted to the model's endpoint having the request, in a workspace of
 * 2,000 files. The floor is a plain request to the same endpoint, in turns with it.
 */
export const submitToWire: Measure = async () => {
  const folder = mkdtempSync(join(process.cwd(), "out", "bench-"));
  const workspace = join(folder, "workspace");
  fill(workspace);
  let arrived: (() => void) | null = null;
  const server = createServer((request, response) => {
    arrived?.();
    request.resume();
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(reply);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const url = `http://127.0.0.1:${port}/v1`;
  const engine = new Engine({
    workspace,
    dist: new URL("../../dist/", import.meta.url),
    shippedSkills: join(process.cwd(), "skills"),
    version: "bench",
    image: "none",
    dockerSocket: null,
    environment: { CAIRN_HOME: join(folder, "home") },
    apiKey: async () => "key",
    log: () => {},
    onRecord: () => {},
  });
  try {
    const took: number[] = [];
    const floor: number[] = [];
    for (let sample = 0; sample <= samples; sample += 1) {
      let began = performance.now();
      const submitted = new Promise<number>((resolve) => {
        arrived = () => resolve(performance.now() - began);
      });
      const run = await engine.start({
        prompts: ["say hello"],
        profile: namedProfile("default"),
        model: { demo: false, url, name: "bench" },
        sandbox: "embedded",
        skills: null,
      });
      const wire = await submitted;
      await run.done;
      await quiet(join(folder, "home", "sessions", run.session, "copies"));
      began = performance.now();
      const plain = new Promise<number>((resolve) => {
        arrived = () => resolve(performance.now() - began);
      });
      await (await fetch(`${url}/floor`, { method: "POST", body: "{}" })).text();
      // The first loads the client and opens the store; it is shown apart.
      if (sample === 0) console.log(`     first submit (loads the client): ${wire.toFixed(0)} ms`);
      else {
        took.push(wire);
        floor.push(await plain);
      }
    }
    const metric = atMost(percentile(took, 0.95), "ms", 20);
    return { "submit.to.wire.p95_ms": { ...metric, floor: Number(median(floor).toFixed(3)) } };
  } finally {
    await engine.close();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
};

/**
 * Resolves when the session has made its copy and let go of it, and the disk of 2,000 files made
 * and removed: a person does not submit twice in a breath.
 */
async function quiet(copies: string): Promise<void> {
  while (!existsSync(copies) || readdirSync(copies).length > 0) await sleep(20);
  await mustRun("sync", []);
}

const reply = [
  `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "bench", choices: [{ index: 0, delta: { role: "assistant", content: "hello" }, finish_reason: null }] })}`,
  `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "bench", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}`,
  "data: [DONE]",
  "",
].join("\n\n");

function fill(workspace: string): void {
  for (let folder = 0; folder < 40; folder += 1) {
    const path = join(workspace, `folder${folder}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < files / 40; file += 1) {
      writeFileSync(join(path, `file${file}.txt`), `${folder} ${file}\n`.repeat(100));
    }
  }
}
