import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import Docker from "dockerode";
import { toolOutput } from "../../src/core/records.ts";
import { startEngine, type TestEngine } from "../harness/engine.ts";
import { Cairn, type RunOptions } from "./cairn.ts";
import { Desk } from "./desk.ts";
import type { Reply } from "./scriptedServer.ts";

/** Scenario S2 of the acceptance: the sandbox as the command line shows it, in real containers. */
const cairn = new Cairn();
after(() => cairn.remove());
const started = await startEngine();
if ("skipped" in started) {
  test("the sandbox scenario", { skip: started.skipped });
} else {
  after(async () => started.stop());
  scenario(started);
}

let calls = 0;

function does(...commands: readonly string[]): Reply {
  return {
    text: "working",
    calls: commands.map((command) => ({
      id: `call_${(calls += 1)}`,
      tool: "exec",
      args: { command },
    })),
  };
}

const done: Reply = { text: "done" };

function scenario(engine: TestEngine): void {
  const key = { OPENAI_API_KEY: "sk-test-0123456789abcdef" };
  const options: RunOptions = {
    environment: { ...key, DOCKER_HOST: `unix://${engine.socketPath}` },
  };
  const docker = ["--sandbox", "docker", "--image", engine.image];
  const start = async (desk: Desk, ...goals: readonly string[]) =>
    desk.start([...docker, ...goals.flatMap((goal) => ["--goal", goal])], options);
  /** What the model was told of each call, in order. */
  const told = (desk: Desk): readonly string[] =>
    (desk.server.asked.at(-1)?.messages ?? []).flatMap(({ role, content }) =>
      role === "tool" ? [content ?? ""] : [],
    );

  suite("the sandbox scenario", () => {
    test("the log shows, in order: started (container, image, workspace), `$ command`, `→ exit, chars, cwd`, stopping; the OS is the container's", async () => {
      const desk = await Desk.open(cairn, [does("cat /etc/os-release"), done]);
      const run = await start(desk, "Which system is this?");
      assert.equal(run.code, 0, run.stderr);
      const lines = run.stderr.split("\n").flatMap((line) => /^ +· (.*)$/.exec(line)?.[1] ?? []);
      assert.equal(lines.length, 4, run.stderr);
      const [first = "", second, third = "", fourth] = lines;
      const { session } = await desk.session();
      assert.match(first, /^started \(container \S+, image cairn-sandbox:test, workspace \/.*\)$/);
      assert.match(first, new RegExp(session));
      assert.equal(second, "$ cat /etc/os-release");
      assert.match(third, /^→ exit 0, \d+ chars, cwd \/workspace$/);
      assert.equal(fourth, "stopping");
      assert.match(told(desk)[0] ?? "", /Cairn test image/);

      const log = await desk.do(["log", session]);
      const kept = log.stdout.split("\n").map((line) => line.replace(/^\S+Z /, ""));
      assert.deepEqual(
        kept.filter((line) => lines.includes(line)),
        lines,
      );
      assert.ok(kept.includes("down → spawning (spawn)"), log.stdout);
      assert.ok(kept.includes("stopping → down (terminated)"), log.stdout);
    });

    test("turn 1 `cd /tmp`; turn 2 `pwd` is `/tmp`; a relative `summary.txt` lands in `/tmp/summary.txt`", async () => {
      const replies = [does("cd /tmp"), done, does("pwd", "echo short > summary.txt"), done];
      const desk = await Desk.open(cairn, [
        ...replies.slice(0, 3),
        does("cat /tmp/summary.txt"),
        done,
      ]);
      const run = await start(desk, "Go there", "Where are you?");
      assert.equal(run.code, 0, run.stderr);
      const [, where, , summary] = told(desk);
      assert.match(where ?? "", /^\/tmp$/m);
      assert.match(summary ?? "", /^short$/m);
    });

    test("variables, functions, a background job and an open file descriptor persist between calls, not between runs", async () => {
      const ask = { id: "ask", tool: "ask_question", args: { question: "Go on?" } };
      const look =
        'echo "$word"; type say >/dev/null 2>&1 && say; kill -0 $job 2>/dev/null && echo job; { echo five >&5; } 2>/dev/null && echo open';
      const desk = await Desk.open(cairn, [
        does("word=kept; say() { echo said; }; sleep 100 & job=$!; exec 5>/tmp/five"),
        does(look),
        { text: "asking", calls: [ask] },
        does(look),
        done,
      ]);
      const parked = await start(desk, "Keep things");
      assert.equal(parked.code, 3, parked.stderr);
      const { session, waits } = await desk.session();
      const answer = ["answer", session, waits[0]?.wait ?? "", "yes", "--image", engine.image];
      assert.equal((await desk.do(answer, options)).code, 0);
      const results = told(desk);
      assert.match(results[1] ?? "", /^kept\nsaid\njob\nopen$/m);
      assert.doesNotMatch(results[3] ?? "", /^(kept|said|job|open)$/m);
      assert.match(results[3] ?? "", /resumed in a new shell/);
    });

    test("stop and start the container: files in `/workspace` remain, shell state is gone", async () => {
      const ask = { id: "ask", tool: "ask_question", args: { question: "Go on?" } };
      const desk = await Desk.open(cairn, [
        does("echo kept > file; word=old; cd /tmp"),
        { text: "asking", calls: [ask] },
        does('cat /workspace/file; pwd; echo "word=$word"'),
        done,
      ]);
      await start(desk, "Leave a file");
      const { session, waits } = await desk.session();
      const containers = await new Docker({ socketPath: engine.socketPath }).listContainers({
        all: true,
        filters: { label: [`cairn.session=${session}`] },
      });
      assert.deepEqual(containers, [], "the container was stopped");
      const answer = ["answer", session, waits[0]?.wait ?? "", "yes", "--image", engine.image];
      await desk.do(answer, options);
      assert.match(told(desk)[2] ?? "", /kept\n\/workspace\nword=$/m);
    });

    test("`rm -rf /` inside leaves the host untouched", async () => {
      const desk = await Desk.open(
        cairn,
        [does("rm -rf --no-preserve-root / 2>/dev/null; ls -A /workspace | wc -l"), done],
        { "precious.txt": "mine\n" },
      );
      const other = join(cairn.place, "beside.txt");
      writeFileSync(other, "beside\n");
      const run = await start(desk, "Delete everything");
      // What it changed is proposed; nothing is done without an answer.
      assert.equal(run.code, 3, run.stderr);
      assert.match(told(desk)[0] ?? "", /^0$/m);
      assert.equal(readFileSync(join(desk.workspace, "precious.txt"), "utf8"), "mine\n");
      assert.equal(readFileSync(other, "utf8"), "beside\n");
      assert.ok(existsSync("/etc/passwd") && existsSync(engine.socketPath));
    });

    test("an agent reaches what governs it through no mount, no link and no apply", async () => {
      const rules = join(cairn.home, "rules.json");
      mkdirSync(cairn.home, { recursive: true });
      writeFileSync(rules, '{ "rules": [] }\n', { mode: 0o600 });
      const forged = '{"rules":[{"id":"x","decision":"allow","tool":"*"}]}';
      const tries = [
        `find / -xdev -name 'rules.json' -o -name 'grants.*' -o -name 'store.key' 2>/dev/null | wc -l`,
        `echo '${forged}' > ${rules}; mkdir -p ${cairn.home} && echo '${forged}' > ${rules}; echo tried`,
        `for each in $(awk '{ print $2 }' /proc/mounts); do (cd "$each/.." && echo '${forged}' > rules.json) 2>/dev/null; done; rm -f /workspace/rules.json`,
        `ln -s ${cairn.home} /workspace/home; ln -s ${rules} /workspace/cairn.rules.json; echo '${forged}' > /workspace/home/rules.json; echo '${forged}' > /workspace/cairn.rules.json; echo tried`,
        `mkdir -p /workspace/.cairn && echo '${forged}' > /workspace/.cairn/rules.json; echo more > /workspace/more.txt`,
      ];
      const desk = await Desk.open(cairn, [does(...tries), done]);
      const run = await start(desk, "Allow yourself everything");
      assert.equal(run.code, 3, run.stderr);
      assert.equal(told(desk).length, tries.length);
      assert.match(told(desk)[0] ?? "", /^0$/m);
      const { session, waits } = await desk.session();
      const wait = waits[0]?.wait ?? "";
      const applied = await desk.do(
        ["answer", session, wait, "approve", "--image", engine.image],
        options,
      );
      assert.equal(applied.code, 0, applied.stderr);
      assert.equal(readFileSync(join(desk.workspace, "more.txt"), "utf8"), "more\n");
      assert.equal(readFileSync(rules, "utf8"), '{ "rules": [] }\n');
      assert.ok(!existsSync(join(cairn.home, "grants.json")));
      assert.ok(!existsSync(join(desk.workspace, ".cairn", "rules.json")));
      const listed = await desk.do(["rules"]);
      assert.doesNotMatch(listed.stdout, /Allows/);
    });

    test("fault between turns, then retry: the tree of turn 1 is restored exactly (digest equal), `/tmp` is not, and the session says so", async () => {
      const desk = await Desk.open(cairn, [
        does("mkdir -m 700 dir; echo one > dir/file; ln -s dir/file link; echo gone > /tmp/note"),
        done,
        does("ls -l dir link; cat link; cat /tmp/note"),
        done,
      ]);
      desk.server.refuseWhen(({ messages }) => messages.at(-1)?.content === "Second");
      const failed = await start(desk, "First", "Second");
      assert.equal(failed.code, 1, failed.stderr);
      const { session } = await desk.session();
      const treeOf = async () =>
        (await desk.records()).flatMap((record) =>
          record.kind === "step.completed" && record.stepKind === "tool"
            ? [toolOutput.parse(record.output).tree]
            : [],
        );
      const [left] = await treeOf();
      const retried = await desk.do(["retry", session, "--image", engine.image], options);
      assert.equal(retried.code, 3, retried.stderr);
      const [kept, looked] = await treeOf();
      assert.equal(kept, left);
      assert.equal(looked, left, "turn 2 only looked, so its tree is that of turn 1");
      const result = told(desk)[1] ?? "";
      assert.match(result, /resumed in a new shell/);
      assert.match(result, /^one$/m);
      assert.doesNotMatch(result, /^gone$/m);
    });

    test("image missing or engine down: a clear error with the command that mends it, before any model call", async () => {
      const desk = await Desk.open(cairn, [done]);
      const missing = await desk.start(
        ["--sandbox", "docker", "--image", "no-such-image", "--goal", "Go"],
        options,
      );
      assert.equal(missing.code, 1);
      assert.match(missing.stderr, /no-such-image.*docker build.*\[sandbox\.imageMissing\]/s);
      const down = await desk.start(["--sandbox", "docker", "--goal", "Go"], {
        environment: { ...key, DOCKER_HOST: `unix://${cairn.place}/no.sock` },
      });
      assert.equal(down.code, 1);
      assert.match(down.stderr, /Start Docker.*\[sandbox\.unavailable\]/s);
      assert.equal(desk.calls, 0);
      assert.deepEqual(await cairn.sessions(desk.workspace), []);
    });

    test("while a command runs, cairn status shows session, task, memory and CPU; afterwards nothing", async () => {
      const desk = await Desk.open(cairn, [
        does(
          "word=$(head -c 20000000 /dev/zero | tr '\\0' x); until [ -e go ]; do sleep 0.1; done",
        ),
        done,
      ]);
      const running = start(desk, "Wait");
      let seen = { code: 0 as number | null, stdout: "" };
      while (!/\$ word=/.test(seen.stdout)) seen = await desk.do(["status"]);
      assert.equal(seen.code, 0);
      const { session } = await desk.session();
      assert.match(
        seen.stdout,
        new RegExp(`^${session}  busy  docker \\(cairn-sandbox:test\\)  process \\d+$`, "m"),
      );
      assert.match(seen.stdout, /\d+\.\d MB, \d+\.\d s of CPU, since /);
      const [entry] = (await desk.do(["status", "--json"])).stdout.split("\n");
      assert.match(JSON.parse(entry ?? "").tools.bash, /^5\./);
      await releaseCommand(engine, session);
      assert.notEqual((await running).code, null);
      assert.equal((await desk.do(["status"])).stdout, "No sandbox runs now.\n");
    });
  });
}

async function releaseCommand({ socketPath }: TestEngine, session: string): Promise<void> {
  const container = new Docker({ socketPath }).getContainer(`cairn-${session}`);
  const exec = await container.exec({ Cmd: ["touch", "/workspace/go"], AttachStdout: true });
  (await exec.start({})).resume();
}
