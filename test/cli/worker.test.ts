import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { PostgresServer } from "../harness/postgres.ts";
import { Cairn } from "./cairn.ts";

const program = new URL("../../dist/cli.js", import.meta.url).pathname;
const cairn = new Cairn();
const workspace = join(cairn.place, "sample");
let server: PostgresServer;
let url = "";
const workers: ChildProcess[] = [];

before(async () => {
  cpSync(new URL("../../media/demo", import.meta.url).pathname, workspace, { recursive: true });
  server = await PostgresServer.start();
  url = await server.newDatabase();
});
after(async () => {
  for (const child of workers) child.kill("SIGKILL");
  await server.stop();
  cairn.remove();
});

const entry = z.object({
  session: z.string(),
  status: z.string(),
  waits: z.array(z.object({ wait: z.string(), suggested: z.string() })),
});

async function run(...args: readonly string[]) {
  const finished = await cairn.run([...args, "--postgres", url, "--workspace", workspace]);
  assert.equal(finished.code, 0, `${args.join(" ")}: ${finished.stderr}`);
  return finished;
}

/** A worker that has begun, and a promise of its first line that fits. */
async function hire(fits: RegExp): Promise<{ child: ChildProcess; said: Promise<string> }> {
  const args = [program, "worker", "--postgres", url, "--workspace", workspace];
  const environment = { PATH: process.env["PATH"], CAIRN_HOME: cairn.home };
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: environment,
  });
  workers.push(child);
  const said = lineOf(child.stdout, fits);
  await lineOf(child.stderr, /^Working/);
  return { child, said };
}

/** The first line that fits; all others are read and forgotten. */
async function lineOf(stream: Readable, fits: RegExp): Promise<string> {
  return new Promise((resolve) => {
    createInterface(stream).on("line", (line) => {
      if (fits.test(line)) resolve(line);
    });
  });
}

/** Looks until the one session stands like this. */
async function until(status: string): Promise<z.infer<typeof entry>> {
  for (;;) {
    const { stdout } = await run("sessions", "--json");
    const [line = ""] = stdout.split("\n");
    const session = entry.parse(JSON.parse(line));
    if (session.status === status) return session;
    await sleep(200);
  }
}

suite("cairn worker", () => {
  test("drives what was queued; a worker killed in the middle of a step is followed by another one", async (context) => {
    const first = await hire(/turn\/1\/tool\/demo_1: /);
    const queued = await run("run", "--demo", "--sandbox", "embedded", "--queue");
    assert.match(queued.stderr, /Queued\. Look at it with: cairn show/);
    await first.said;
    first.child.kill("SIGKILL");
    const began = performance.now();
    await (
      await hire(/session resumed/)
    ).said;
    const seconds = (performance.now() - began) / 1000;
    context.diagnostic(`taken over after ${seconds.toFixed(1)} s`);
    await until("waiting");
  });

  test("a worker killed while the session waits loses nothing, and an answer from anywhere sets it going", async () => {
    const waiting = await until("waiting");
    for (const child of workers) child.kill("SIGKILL");
    await hire(/never/);
    const [wait] = waiting.waits;
    assert.ok(wait);
    await run("answer", waiting.session, wait.wait, wait.suggested, "--queue");
    const { session } = await until("completed");
    const { stdout } = await run("show", session, "--json");
    const steps = stdout.split("\n").flatMap((line) => {
      const found = /"kind":"step\.completed".*?"step":"([^"]+)"/.exec(line)?.[1];
      return found === undefined ? [] : [found];
    });
    assert.equal(new Set(steps).size, steps.length, "every step is recorded once");
  });

  test("the changes wait for the machine that has the folder, and are applied there", async () => {
    const { session } = await until("completed");
    const unchanged = readFileSync(join(workspace, "total.sh"), "utf8");
    const where = ["--postgres", url, "--workspace", workspace];
    const proposed = await cairn.run(["apply", session, ...where]);
    assert.equal(proposed.code, 3, proposed.stderr);
    await run("answer", session, "apply/1/approval", "approve");
    assert.notEqual(readFileSync(join(workspace, "total.sh"), "utf8"), unchanged);
  });

  test("needs an address that is one, and says so", async () => {
    const none = await cairn.run(["worker", "--workspace", workspace]);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /cairn worker needs --postgres URL\./);
    const other = await cairn.run([
      "sessions",
      "--postgres",
      "mysql://x/y",
      "--workspace",
      workspace,
    ]);
    assert.equal(other.code, 2);
    assert.match(other.stderr, /postgresql:\/\/user@host\/database/);
  });
});
