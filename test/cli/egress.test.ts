import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer, type Server } from "node:http";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import * as z from "zod";
import type { SessionRecord } from "../../src/core/records.ts";
import { subjectLines } from "../../src/core/subjectLines.ts";
import { viewOf } from "../../src/core/replay.ts";
import { whyNoBubblewrap } from "../sandbox/bubblewrapPlace.ts";
import { Cairn, type Finished, type RunOptions } from "./cairn.ts";
import { Desk } from "./desk.ts";
import { GitHost } from "./gitHost.ts";
import type { Reply } from "./scriptedServer.ts";

const cairn = new Cairn();
after(() => cairn.remove());

/** Only here is `wiki.local` a name, and only for the proxy: a namespace of mounts with other hosts in it. */
const address = "127.77.0.1";
const hosts = join(cairn.place, "hosts");
writeFileSync(hosts, `127.0.0.1 localhost\n${address} wiki.local other.local\n`);
const within = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts];

async function whyNot(): Promise<string | null> {
  const sandbox = await whyNoBubblewrap();
  if (sandbox !== null) return sandbox;
  const [program = "", ...words] = within;
  return promisify(execFile)(program, [...words, "true"]).then(
    () => null,
    () => "no namespace of mounts can be made here",
  );
}

const [first, second] = ["canary-wiki-8c41", "f0d27be95a"];
const token = first + second;
const wiki = {
  name: "wiki",
  hosts: ["wiki.local"],
  scheme: "http",
  methods: ["GET"],
  paths: ["/snippets/"],
  headers: { Authorization: "Bearer {{ wiki-token }}" },
  addresses: ["127.77.0.0/16"],
};

const exec = (id: string, command: string): Reply => ({
  text: "",
  calls: [{ id, tool: "exec", args: { command } }],
});
const done: Reply = { text: "Done." };
const page = "http://wiki.local/other/page";
const curl = (url: string): string => `curl -sS -w ' %{http_code}' ${url}`;

/** What a command's result says, as the model saw it. */
function resultOf(records: readonly SessionRecord[], id: string): string {
  const step = records.findLast(
    (record) => record.kind === "step.completed" && record.step === `turn/1/tool/${id}`,
  );
  assert.ok(step?.kind === "step.completed", `there is a result of ${id}`);
  return z.object({ text: z.string() }).parse(step.output).text;
}

suite("what leaves a session's sandbox", { skip: (await whyNot()) ?? false }, () => {
  const asked: { readonly url: string; readonly authorization: string }[] = [];
  const git = new GitHost();
  let upstream: Server;
  before(async () => {
    upstream = createServer((message, response) => {
      const { url = "", headers } = message;
      if (url.startsWith("/repo.git/")) return void git.answer(message, response);
      asked.push({ url, authorization: headers.authorization ?? "" });
      response.end(`This is ${url}.\n`);
    });
    await new Promise<void>((resolve) => upstream.listen(80, address, resolve));
    const set = await cairn.run(["secrets", "set", "wiki-token"], { stdin: token });
    assert.equal(set.code, 0, set.stderr);
  });
  after(() => {
    upstream.closeAllConnections();
    upstream.close();
  });

  const profile = (more: object = {}): string =>
    cairn.json(`profile-${Object.keys(more).join("-")}.json`, {
      name: "wiki",
      proxy: [wiki],
      ...more,
    });

  async function started(
    replies: readonly Reply[],
    args: readonly string[] = [],
    options: RunOptions = {},
  ): Promise<{ readonly desk: Desk; readonly ran: Finished }> {
    const desk = await Desk.open(cairn, replies);
    const where = ["--sandbox", "bubblewrap", "--profile", profile(), "--goal", "Go.", ...args];
    return { desk, ran: await desk.start(where, { within, ...options }) };
  }

  async function answer(desk: Desk, words: string, wait: string): Promise<Finished> {
    const { session } = await desk.session();
    return desk.do(["answer", session, wait, words], { within });
  }

  test("`curl http://wiki.local/snippets/durability` in the worker, without a token: 200 through the proxy. Direct (`--noproxy '*'`): unreachable. The worker's environment, argv, files and process list hold no token.", async () => {
    const url = "http://wiki.local/snippets/durability";
    const { desk, ran } = await started([
      exec("a", curl(url)),
      exec(
        "b",
        `curl -sS -m 3 --noproxy '*' ${url}; curl -sS -m 3 --noproxy '*' http://${address}/`,
      ),
      exec(
        "c",
        [
          "all=$({ env; set; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; ps auxe;",
          "find /agent /workspace /tmp /run -type f -size -300k -exec cat {} +; } 2>/dev/null | tr -d '\\0')",
          `; [[ \${#all} -gt 2000 && $all != *'${first}''${second}'* ]] && echo "clean"`,
        ].join(" "),
      ),
      done,
    ]);
    assert.equal(ran.code, 0, ran.stderr + ran.stdout);
    const records = await desk.records();
    assert.match(resultOf(records, "a"), /^This is \/snippets\/durability\.\n 200/);
    assert.deepEqual(asked.splice(0), [
      { url: "/snippets/durability", authorization: `Bearer ${token}` },
    ]);
    assert.match(
      resultOf(records, "b"),
      /Could not resolve host[^]*Failed to connect|curl: \(\d+\)/,
    );
    assert.match(resultOf(records, "c"), /^clean$/m);
    const log = await desk.do(["log", (await desk.session()).session]);
    assert.match(log.stdout, /GET http:\/\/wiki\.local:80\/snippets\/durability .*Authorization/);
    for (const text of [ran.stdout, ran.stderr, log.stdout, JSON.stringify(records)]) {
      assert.ok(!text.includes(token), "no value is shown");
    }
  });

  test("A host without a rule: refused and shown as an approval", async () => {
    const { desk, ran } = await started([exec("a", curl("http://other.local/x?key=value")), done]);
    assert.equal(ran.code, 3, ran.stderr);
    const records = await desk.records();
    assert.match(
      resultOf(records, "a"),
      /403[^]*GET http:\/\/other\.local\/x: proxy\.noRule\. It needs the operator's approval/,
    );
    const [open] = viewOf(records).openWaits;
    assert.ok(open !== undefined);
    assert.equal(open.question, "Let GET http://other.local/x leave the sandbox?");
    assert.deepEqual(subjectLines(open).slice(0, 2), [
      "GET http://other.local/x",
      "to other.local",
    ]);
    assert.doesNotMatch(JSON.stringify(open.subject).replace(/"command":"[^"]*"/, ""), /key=value/);
    const rejected = await answer(desk, "reject: not this one", open.wait);
    assert.equal(rejected.code, 0, rejected.stderr);
    assert.deepEqual(asked.splice(0), []);
    const audit = await cairn.run(["audit", "--session", (await desk.session()).session]);
    assert.match(
      audit.stdout,
      /GET http:\/\/other\.local\/x[^]*proxy\.noRule, ask[^]*rejected, because: not this one/,
    );
  });

  test("a request allowed for this session goes out when the command runs again, with no header of another rule", async () => {
    const { desk, ran } = await started([
      exec("a", curl(page)),
      exec("b", curl(page)),
      exec("c", curl(page)),
      done,
    ]);
    assert.equal(ran.code, 3, ran.stderr);
    const wait = "turn/1/tool/a/egress/1";
    const refused = await answer(desk, "approve: ready", wait);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /"approve: session" or "approve: always"/);
    const last = await answer(desk, "approve: session", wait);
    assert.equal(last.code, 0, last.stderr);
    assert.match(
      last.stderr,
      /Allows GET of http:\/\/wiki\.local\/other\/page, with no header added, also in the networks 127\.77\.0\.0\/16 in this session\./,
    );
    assert.deepEqual(
      asked.splice(0),
      Array.from({ length: 2 }, () => ({ url: "/other/page", authorization: "" })),
    );
    const records = await desk.records();
    assert.match(resultOf(records, "b"), /^This is \/other\/page\.\n 200/m);
    assert.match(
      desk.server.asked[1]?.messages.at(-1)?.content ?? "",
      /The operator allows GET \S+ now\. Run the command again\.$/,
    );
  });

  test("allowed once ends with the next command, also after a kill between answer and command", async () => {
    const { desk, ran } = await started(
      [exec("a", curl(page)), exec("b", curl(page)), exec("c", curl(page)), done],
      ["--json"],
      { killWhen: /"wait\.opened"/ },
    );
    assert.equal(ran.signal, "SIGKILL");
    const { session } = await desk.session();
    const killed = await desk.do(
      ["answer", session, "turn/1/tool/a/egress/1", "approve", "--json"],
      {
        within,
        killWhen: /"wait\.answered"/,
      },
    );
    assert.equal(killed.signal, "SIGKILL");
    const resumed = await desk.do(["resume", session], { within });
    assert.equal(resumed.code, 3, resumed.stderr);
    assert.deepEqual(asked.splice(0), [{ url: "/other/page", authorization: "" }]);
    assert.deepEqual(
      (await desk.session()).waits.map(({ wait }) => wait),
      ["turn/1/tool/c/egress/1"],
    );
  });

  test("I19-01: a push that was cut short by a kill is asked about and never made again in silence", async () => {
    const commands = [
      "git init -q -b main work && cd work && git config user.name a && git config user.email a@b",
      "echo one >one && git add one && git commit -q -m first",
      "git push -q http://wiki.local/repo.git main",
    ];
    const proxy = [wiki, { ...wiki, name: "git", methods: ["GET", "POST"], paths: ["/repo.git/"] }];
    const desk = await Desk.open(cairn, [exec("a", commands.join(" && ")), done]);
    const where = ["--sandbox", "bubblewrap", "--goal", "Push.", "--profile", profile({ proxy })];
    const killed = await desk.start(where, {
      within,
      onStarted: (kill) => {
        git.swallows = () => {
          kill();
          return true;
        };
      },
    });
    assert.equal(killed.signal, "SIGKILL", killed.stderr);
    assert.deepEqual(git.commits, ["first"]);
    const { session } = await desk.session();
    const resumed = await desk.do(["resume", session], { within });
    assert.equal(resumed.code, 3, resumed.stderr);
    assert.match(
      resumed.stdout,
      /This was started and may have happened: git init[^]*Before it stopped it sent POST http:\/\/wiki\.local\/repo\.git\/git-receive-pack, and perhaps more\. What it changed in the session's files is taken back\./,
    );
    const audit = await desk.do(["audit", "--session", session]);
    assert.match(audit.stdout, /GET http:\/\/wiki\.local\/repo\.git\/info\/refs.*by the rule git/);
    assert.match(
      audit.stdout,
      /POST http:\/\/wiki\.local\/repo\.git\/git-receive-pack.*by the rule git/,
    );
    const [open] = viewOf(await desk.records()).openWaits;
    const skipped = await desk.do(["answer", session, open?.wait ?? "", "skip"], { within });
    assert.equal(skipped.code, 0, skipped.stderr);
    assert.equal(git.pushes, 1);
    asked.length = 0;
  });

  test("where nobody is there it is denied and listed, and offline nothing is asked", async () => {
    const replies = [exec("a", curl(page)), done];
    const alone = await started(replies, ["--unattended"]);
    assert.equal(alone.ran.code, 4, alone.ran.stderr);
    assert.match(
      alone.ran.stdout,
      /GET http:\/\/wiki\.local\/other\/page.*Nobody is there to answer/,
    );
    const desk = await Desk.open(cairn, replies);
    const sealed = profile({ defaults: { R3: "deny" } });
    const ran = await desk.start(
      ["--sandbox", "bubblewrap", "--profile", sealed, "--goal", "Go."],
      { within },
    );
    assert.equal(ran.code, 4, ran.stderr);
    assert.deepEqual((await desk.session()).waits, []);
    assert.deepEqual(asked.splice(0), []);
  });
});
