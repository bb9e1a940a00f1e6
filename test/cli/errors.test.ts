import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Cairn, type Finished } from "./cairn.ts";

const sample = new URL("../../media/demo", import.meta.url).pathname;
const cairn = new Cairn();
after(() => cairn.remove());
let folders = 0;

function folder(): string {
  folders += 1;
  const path = join(cairn.place, `folder-${folders}`);
  cpSync(sample, path, { recursive: true });
  return path;
}

/** The last line of standard error: what a person reads. */
function sentence({ stderr }: Finished): string {
  return stderr.trimEnd().split("\n").at(-1) ?? "";
}

/** An endpoint that gives every request the same answer. */
async function endpoint(status: number, body: object): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return `http://127.0.0.1:${address.port}/v1`;
}

const key = { OPENAI_API_KEY: "sk-test-0123456789abcdef" };

async function ask(workspace: string, ...more: readonly string[]): Promise<Finished> {
  const args = ["run", "--goal", "hi", "--model", "m", "--sandbox", "embedded"];
  return cairn.run([...args, "--workspace", workspace, ...more], { environment: key });
}

test("a Node that is too old is told so, and the help still comes", async () => {
  const environment = { NODE_OPTIONS: "--no-experimental-sqlite" };
  const refused = await cairn.run(["sessions", "--workspace", folder()], { environment });
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^Cairn needs Node 22\.13 or newer, and this is v.*\. Run it with .* \[node\.old\]\n$/u,
  );
  assert.equal((await cairn.run(["--help"], { environment })).code, 0);
});

test("no folder: it says which, and makes nothing", async () => {
  const path = join(cairn.place, "nowhere");
  const finished = await ask(path);
  assert.equal(finished.code, 1);
  assert.match(
    sentence(finished),
    /There is no folder .*nowhere.*--workspace.*\[workspace\.none\]/,
  );
  assert.equal(existsSync(path), false);
});

test("no key: it says how to give one, before anything starts", async () => {
  const workspace = folder();
  const finished = await cairn.run([
    "run",
    "--goal",
    "hi",
    "--model",
    "m",
    "--workspace",
    workspace,
  ]);
  assert.equal(finished.code, 1);
  assert.match(sentence(finished), /There is no API key\..*\[model\.noKey\]/);
  assert.deepEqual(await cairn.sessions(workspace), []);
});

test("a wrong key: the session fails with what to do, never shows the key, and can be retried", async () => {
  const workspace = folder();
  const url = await endpoint(401, {
    error: { message: `Incorrect API key provided: ${key.OPENAI_API_KEY}` },
  });
  const finished = await ask(workspace, "--model-url", url);
  assert.equal(finished.code, 1);
  assert.match(finished.stdout, /refused the key.*\[model\.unauthorized\]/s);
  assert.match(sentence(finished), /cairn retry/);
  assert.doesNotMatch(finished.stdout + finished.stderr, /sk-test/);
  const [session] = await cairn.sessions(workspace);
  assert.equal(session?.status, "failed");
});

test("no such model: it names the model and the endpoint", async () => {
  const url = await endpoint(404, { error: { message: "The model `m` does not exist" } });
  const finished = await ask(folder(), "--model-url", url);
  assert.equal(finished.code, 1);
  assert.match(finished.stdout, /\bm\b.*127\.0\.0\.1.*\[model\.notFound\]/s);
});

test("no engine: it says how to start one or do without, before any model call", async () => {
  const workspace = folder();
  const finished = await cairn.run(
    ["run", "--demo", "--sandbox", "docker", "--workspace", workspace],
    {
      environment: { DOCKER_HOST: `unix://${join(cairn.place, "no.sock")}` },
    },
  );
  assert.equal(finished.code, 1);
  assert.match(
    sentence(finished),
    /No container engine answers.*--sandbox embedded.*\[sandbox\.unavailable\]/,
  );
  assert.deepEqual(await cairn.sessions(workspace), []);
});

test("an unknown session, wait or answer: each is named and nothing changes", async () => {
  const workspace = folder();
  await cairn.run(["run", "--demo", "--sandbox", "embedded", "--workspace", workspace]);
  const [session] = await cairn.sessions(workspace);
  const wait = session?.waits[0]?.wait ?? "";
  const id = session?.session ?? "";
  const before = await cairn.records(workspace, id);
  for (const [args, says] of [
    [["show", "nope"], /There is no session nope/],
    [["answer", id, "nope", "yes"], /There is no open wait nope\. Open: /],
    [["answer", id, wait, " "], /" " is no answer to .*Type some text\./],
    [["abort", id, "nope"], /There is no open wait nope\. Open: /],
    [["cancel", "nope"], /There is no session nope/],
    [["replay", "nope"], /There is no session nope/],
    [["delete", "nope"], /There is no session nope/],
    [["retry", id], /is waiting, and only a failed session can be retried/],
    [["apply", id], /waits for an answer/],
  ] as const) {
    const finished = await cairn.run([...args, "--workspace", workspace]);
    assert.equal(finished.code, 1, args.join(" "));
    assert.match(sentence(finished), says);
  }
  assert.deepEqual(await cairn.records(workspace, id), before);
});

test("a corrupt store: it is named, not touched, and nothing is started over it", async () => {
  const workspace = folder();
  mkdirSync(join(workspace, ".cairn"));
  const store = join(workspace, ".cairn", "sessions.db");
  writeFileSync(store, "precious, though not a store\n".repeat(200));
  const before = readFileSync(store);
  const finished = await cairn.run([
    "run",
    "--demo",
    "--sandbox",
    "embedded",
    "--workspace",
    workspace,
  ]);
  assert.equal(finished.code, 1);
  assert.match(sentence(finished), /sessions\.db is damaged.*move it away.*\[store\.corrupt\]/);
  assert.deepEqual(readFileSync(store), before);
});

test("a read-only folder: records are kept elsewhere, and an apply says why it cannot write", async (t) => {
  const workspace = folder();
  try {
    execFileSync("mount", ["--bind", workspace, workspace], { stdio: "pipe" });
  } catch {
    t.skip("a read-only mount needs root: run as root to see it");
    return;
  }
  try {
    execFileSync("mount", ["-o", "remount,ro,bind", workspace], { stdio: "pipe" });
    const where = ["--workspace", workspace];
    const ran = await cairn.run(["run", "--demo", "--sandbox", "embedded", ...where]);
    assert.equal(ran.code, 3);
    assert.match(ran.stderr, /The folder is read-only, so sessions are kept in /);
    let last = ran;
    for (let answers = 0; last.code === 3 && answers < 5; answers += 1) {
      const [session] = await cairn.sessions(workspace);
      const [wait] = session?.waits ?? [];
      assert.ok(session !== undefined && wait !== undefined);
      last = await cairn.run(["answer", session.session, wait.wait, wait.suggested, ...where]);
    }
    assert.equal(last.code, 0, last.stderr);
    assert.match(last.stdout, /Nothing was applied: .*read-only/i);
    const [session] = await cairn.sessions(workspace);
    assert.equal(session?.status, "completed");
  } finally {
    execFileSync("umount", [workspace]);
  }
});

test("a session that another process runs is refused with a sentence, and runs on there", async () => {
  const workspace = folder();
  const slow = createServer((request) => request.resume());
  await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
  after(() => {
    slow.closeAllConnections();
    slow.close();
  });
  const address = slow.address();
  assert.ok(typeof address === "object" && address !== null);
  const asked = new Promise<void>((resolve) => slow.once("request", () => resolve()));
  const first = ask(workspace, "--model-url", `http://127.0.0.1:${address.port}/v1`, "--json");
  await asked;
  const [session] = await cairn.sessions(workspace);
  assert.equal(session?.held, true);
  const copies = join(cairn.home, "sessions", session.session, "copies");
  const copied = (): boolean => globSync(join(copies, "*", "total.sh")).length === 1;
  while (!copied()) await sleep(20);
  const second = await cairn.run(["resume", session.session, "--workspace", workspace]);
  assert.equal(second.code, 1);
  assert.ok(copied(), "the copy that the first process works on is still there");
  assert.match(sentence(second), /is running in another window or process.*\[session\.busy\]/);
  slow.closeAllConnections();
  slow.close();
  assert.equal((await first).code, 1);
});
