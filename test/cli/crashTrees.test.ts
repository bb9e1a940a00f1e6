import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { toolOutput, type SessionRecord } from "../../src/core/records.ts";
import { Cairn, type RunOptions } from "./cairn.ts";
import { scriptedServer, type Reply } from "./scriptedServer.ts";

const kills = 50;
/** A test of all of them would be as long as one may be. */
const killsATest = 10;
const seed = 20_261_121;
const cairn = new Cairn();
after(() => cairn.remove());

/** Commands that show when they ran on other files than the ones before them left, or ran twice. */
const commands = Array.from(
  { length: 60 },
  (_, n) => `for i in 1 2 3; do
  echo "${n} $i" >> log.txt
  mkdir -p "d${n % 7}/e"; cat log.txt > "d${n % 7}/e/copy"
  ${n % 5 === 0 ? `rm -rf "d${(n + 3) % 7}"; mkdir "empty${n}"` : `chmod ${n % 2 ? 755 : 644} log.txt`}
  ${n % 4 === 0 ? `ln -s log.txt "link${n}-$i"` : "true"}
  sleep 0.02
done`,
);
const replies: Reply[] = commands.map((command, n) => ({
  text: "",
  calls: [{ id: `call_${n}`, tool: "exec", args: { command } }],
}));
const server = await scriptedServer([...replies, { text: "done" }]);
after(async () => server.close());

interface Place {
  readonly workspace: string;
  readonly start: readonly string[];
}

function place(): Place {
  const workspace = cairn.folder({ "log.txt": "start\n", "kept.txt": "kept\n" });
  const model = ["--model-url", server.url, "--model", "m", "--sandbox", "embedded"];
  const start = ["run", "--goal", "Go.", ...model, "--budget", "none", "--json"];
  return { workspace, start: [...start, "--workspace", workspace] };
}

async function run(args: readonly string[], options: RunOptions = {}) {
  return cairn.run(args, { ...options, environment: { OPENAI_API_KEY: "k" } });
}

async function recorded(workspace: string): Promise<readonly SessionRecord[]> {
  const [session] = await cairn.sessions(workspace);
  return session === undefined ? [] : cairn.records(workspace, session.session);
}

/** The tree that each call left, in order. */
function trees(records: readonly SessionRecord[]): readonly string[] {
  return records.flatMap((record) => {
    if (record.kind !== "step.completed" || record.stepKind !== "tool") return [];
    return toolOutput.parse(record.output).tree ?? [];
  });
}

/** Copies of sessions that lie on this machine. */
function copies(): readonly string[] {
  const sessions = join(cairn.home, "sessions");
  return readdirSync(sessions).flatMap((id) => {
    const folder = join(sessions, id, "copies");
    return existsSync(folder) ? readdirSync(folder) : [];
  });
}

/** Numbers below 1, the same in every run of the test. */
function random(from: number): () => number {
  let state = from;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

suite(
  `killed at ${kills} random moments, a session goes on each time from exactly the files of its checkpoint`,
  () => {
    const next = random(seed);
    const here = place();
    let wanted: readonly string[] = [];
    let args: readonly string[] = here.start;
    let session = "";
    let calls = 0;

    before(async () => {
      const reference = place();
      const whole = await run(reference.start);
      assert.equal(whole.code, 3, whole.stderr);
      wanted = trees(await recorded(reference.workspace));
      assert.equal(wanted.length, commands.length);
      assert.equal(new Set(wanted).size, commands.length, "every call left another tree");
    });

    for (let first = 1; first <= kills; first += killsATest) {
      test(`kills ${first} to ${first + killsATest - 1}`, async () => {
        for (let kill = first; kill < first + killsATest; kill += 1) await killOnce(kill);
      });
    }

    test("no copy of a killed process is left, and the end is that of a session that was not killed", async () => {
      assert.ok(calls > 5 && calls < commands.length, `${calls} calls when the last kill came`);
      await run(["sessions", "--workspace", here.workspace]);
      assert.deepEqual(copies(), []);
      const last = await run(args);
      assert.equal(last.code, 3, last.stderr);
      assert.deepEqual(trees(await recorded(here.workspace)), wanted);
      const where = ["--workspace", here.workspace];
      await run(["answer", session, "apply/proposed/approval", "approve", ...where]);
      const log = readFileSync(join(here.workspace, "log.txt"), "utf8");
      assert.equal(log.split("\n").length, 1 + commands.length * 3 + 1, "every line once");
    });

    async function killOnce(kill: number): Promise<void> {
      const killAfterLines = 1 + Math.floor(next() * 4);
      const { signal } = await run(args, { killAfterLines, killLateByMs: next() * 150 });
      assert.equal(signal, "SIGKILL", "the session has more to do than kills are left");
      const records = await recorded(here.workspace);
      const left = trees(records);
      assert.deepEqual(left, wanted.slice(0, left.length), `kill ${kill}`);
      assert.ok(left.length >= calls, "what is recorded stays");
      calls = left.length;
      session = records[0]?.session ?? "";
      args = ["resume", session, "--json", "--workspace", here.workspace];
    }
  },
);
