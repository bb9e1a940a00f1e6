import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { fakeWorld } from "../fakes/fakeWorld.ts";
import { panelWait } from "../../src/host/panelWait.ts";
import { startEngine } from "../harness/engine.ts";
import { whyNoBubblewrap } from "../sandbox/bubblewrapPlace.ts";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";

const cairn = new Cairn();
after(() => cairn.remove());
const engine = await startEngine();
after(async () => {
  if (!("skipped" in engine)) await engine.stop();
});

const half = randomBytes(9).toString("hex");
const rest = `/+?"=${randomBytes(9).toString("base64url")}`;
const canary = half + rest;
const bytes = Buffer.from(canary);

/** A part of each form is enough to know it by: in base64 what neighbours have no part in. */
const forms: Readonly<Record<string, string>> = {
  "as it is": canary,
  "in JSON": JSON.stringify(canary).slice(1, -1),
  "in base64": bytes.toString("base64").slice(0, -4),
  "in base64, one byte on": Buffer.from(`x${canary}`).toString("base64").slice(2, -4),
  "in base64, two bytes on": Buffer.from(`xy${canary}`).toString("base64").slice(4, -4),
  "in base64url": bytes.toString("base64url").slice(0, -4),
  "in hex": bytes.toString("hex"),
  "in a URL": encodeURIComponent(canary),
  reversed: Array.from(canary).toReversed().join(""),
};

function formsIn(content: Buffer | string): readonly string[] {
  const found = Object.entries(forms).filter(([, form]) => content.includes(form));
  return found.map(([how]) => how);
}

/** The worker has no secret: the command has to put this one together. Nothing of it is exported. */
const together = `a='${half}'; b='${rest}'; c=$a$b`;
const shows = [
  // What processes were started with, and what they were given: nothing has even its first half.
  `echo "held: $({ env; cat /proc/[0-9]*/environ; cat ~/.netrc ~/.npmrc ~/.docker/config.json; } 2>/dev/null | grep -cF -e '${half}')"`,
  together,
  // Two writes each, cut at every byte.
  'for ((i = 1; i < ${#c}; i++)); do printf "%s" "${c:0:i}"; printf "%s\\n" "${c:i}"; done',
  'printf "%s" "$c" | base64 -w0; echo; printf "x%s" "$c" | base64 -w0; echo',
  'printf "%s" "$c" | rev; echo; printf "%s" "$c" | od -An -v -tx1 | tr -d " \\n"; echo',
  'printf "%s\\n" "$c" >&2',
  'printf "%s" "$c" > leak.txt; printf "kept" > kept.txt',
].join("\n");

const replies = [
  {
    text: `I know ${canary}.`,
    calls: [
      { id: "call_1", tool: "exec", args: { command: shows } },
      { id: "call_2", tool: "exec", args: { command: `true '${canary}'` } },
    ],
  },
  {
    text: "",
    calls: [{ id: "call_3", tool: "ask_question", args: { question: `Is it ${canary}?` } }],
  },
  { text: `It was ${canary}, ${bytes.toString("base64")}.` },
];

const backends = [
  { backend: "embedded", skip: false, environment: {}, args: [] },
  { backend: "bubblewrap", skip: (await whyNoBubblewrap()) ?? false, environment: {}, args: [] },
  "skipped" in engine
    ? { backend: "docker", skip: engine.skipped, environment: {}, args: [] }
    : {
        backend: "docker",
        skip: false,
        environment: { DOCKER_HOST: `unix://${engine.socketPath}` },
        args: ["--image", engine.image],
      },
];

for (const { backend, skip, environment: more, args } of backends) {
  test(
    `a secret in the environment, files, a goal, the model's words and calls, output and an answer is found nowhere: ${backend}`,
    { skip },
    async () => {
      const desk = await Desk.open(cairn, replies, {
        ".env": `TOKEN=${canary}\n`,
        "config.json": JSON.stringify({ text: `x ${half}` }),
        "secret.txt": `written by hand: ${canary}\n`,
      });
      const environment = {
        ...more,
        OPENAI_API_KEY: "sk-test-0123456789abcdef",
        DEPLOY_TOKEN: canary,
      };
      const options = { environment };
      const goal = ["--goal", `use ${canary}`, "--sandbox", backend, ...args];
      const first = await desk.start(goal, options);
      assert.equal(first.code, 3, first.stderr);
      const { session, waits } = await desk.session();
      const wait = waits[0]?.wait ?? "";
      const answered = await desk.do(["answer", session, wait, `yes, ${canary}`, ...args], options);
      assert.equal(answered.code, 3, answered.stderr);
      const [apply] = (await desk.session()).waits;
      const applied = await desk.do(
        ["answer", session, apply?.wait ?? "", "yes", ...args],
        options,
      );
      assert.equal(applied.code, 0, applied.stderr);
      const failed = await desk.do(["show", canary], options);
      const bundle = join(cairn.place, `${backend}.cairn`);
      const exported = await desk.do(["export", session, "--out", bundle], options);
      assert.equal(exported.code, 0, exported.stderr);

      // What is printed, what the model was sent, what the panel would be.
      for (const { stdout, stderr } of [first, answered, applied, failed, exported]) {
        assert.deepEqual(formsIn(stdout + stderr), []);
      }
      assert.deepEqual(formsIn(JSON.stringify(desk.server.asked)), []);
      const records = await desk.records(session);
      assert.deepEqual(formsIn(JSON.stringify(records)), []);
      const asked = records.filter((record) => record.kind === "wait.opened");
      assert.equal(asked.length, 2);
      for (const record of asked) {
        assert.deepEqual(
          formsIn(
            JSON.stringify(
              panelWait({ record, goal: "" }, { facts: null, nonce: "", world: fakeWorld() }),
            ),
          ),
          [],
        );
      }

      // What is on disk: the store and its log, the runtime log, the bundle with every blob.
      const own = [join(desk.workspace, ".cairn"), cairn.home, bundle].flatMap(filesIn);
      assert.ok(own.some((path) => path.endsWith(".db")));
      assert.ok(own.some((path) => path.endsWith("runtime.log")));
      for (const path of own) assert.deepEqual(formsIn(readFileSync(path)), [], path);
      const lines = readFileSync(bundle, "utf8").trimEnd().split("\n");
      for (const line of lines) {
        const { data = "" }: { data?: string } = JSON.parse(line);
        assert.deepEqual(formsIn(Buffer.from(data, "base64")), []);
      }
      assert.ok(lines.length > records.length + 3, "it has blobs");
      assert.doesNotMatch(lines.join("\n"), /leftOut":"its text holds a secret/);

      // The proof of the proof: the commands ran, had nothing, and their output was there.
      const outputs = JSON.stringify(records.filter(({ kind }) => kind === "step.completed"));
      assert.match(outputs, /held: 0/);
      const marks = outputs.match(/\[redacted: known secret\]/g) ?? [];
      assert.ok(marks.length > canary.length, `${marks.length}`);
      assert.match(outputs, /"path":"leak.txt","reason":"it holds a secret that Cairn knows"/);
      assert.match(outputs, /"path":"secret.txt","reason":"it holds a secret that Cairn knows"/);
      assert.match(outputs, /"path":"\.env","reason":"it may hold secrets/);
      assert.ok(readdirSync(desk.workspace).includes("kept.txt"));
      assert.ok(!readdirSync(desk.workspace).includes("leak.txt"));
    },
  );
}

function filesIn(path: string): readonly string[] {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
