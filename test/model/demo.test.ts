import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { Bash } from "just-bash";
import * as z from "zod";
import type { Message } from "../../src/core/ports.ts";
import type { ToolCall } from "../../src/core/records.ts";
import { demoSample } from "../../src/model/demoSample.ts";
import { demoReply } from "../../src/model/demoScript.ts";
import { startDemoServer, type DemoServer } from "../../src/model/demoServer.ts";
import { OpenAiModel } from "../../src/model/openAiModel.ts";

const root = new URL("../../", import.meta.url);
const args = z.object({
  command: z.optional(z.string()),
  action: z.optional(z.string()),
  skill: z.optional(z.string()),
  question: z.optional(z.string()),
  choices: z.optional(z.array(z.string())),
});

interface Shell {
  exec(command: string): Promise<{ stdout: string; stderr: string; exitCode: number }>;
}

interface Life {
  readonly shell?: Shell;
  readonly files?: Readonly<Record<string, string>>;
  /** What the `ask_question` tool gives back. */
  readonly answer?: string;
  /** The result of a call instead of the real one, or null. */
  readonly instead?: (call: ToolCall) => string | null;
  readonly skills?: string;
}

interface Told {
  readonly messages: Message[];
  readonly ran: string[];
  readonly last: string;
  readonly shell: Shell;
}

/** Plays the whole demo over HTTP, with a new model and a new server for every turn. */
async function play(life: Life): Promise<Told> {
  const shell = life.shell ?? embedded(life.files ?? demoSample);
  const messages: Message[] = [{ role: "user", text: "Show me what you can do." }];
  const ran: string[] = [];
  for (let turn = 1; turn <= 12; turn += 1) {
    const server = await startDemoServer();
    const { url, key } = server;
    const model = new OpenAiModel({ url, apiKey: async () => key });
    const reply = await model.reply(
      { model: "demo", messages, tools: [] },
      AbortSignal.timeout(5000),
    );
    await server.close();
    assert.notEqual(reply.text, "");
    messages.push({ role: "assistant", text: reply.text, toolCalls: reply.toolCalls });
    if (reply.toolCalls.length === 0) return { messages, ran, last: reply.text, shell };
    ran.push(reply.toolCalls.map(shortly).join(" + "));
    for (const call of reply.toolCalls) {
      const text = life.instead?.(call) ?? (await run(call, shell, life));
      messages.push({ role: "tool", callId: call.id, text });
    }
  }
  throw new Error("The demo does not come to an end.");
}

function embedded(files: Readonly<Record<string, string>>): Shell {
  const entries = Object.entries(files).map(([name, text]) => [`/workspace/${name}`, text]);
  return new Bash({ files: Object.fromEntries(entries), cwd: "/workspace" });
}

function realBash(cwd: string): Shell {
  return {
    exec: async (command) => {
      const { status, stdout, stderr } = spawnSync("bash", ["-c", command], {
        cwd,
        encoding: "utf8",
      });
      return { stdout, stderr, exitCode: status ?? -1 };
    },
  };
}

/** How the demo words its change after this answer of the operator. */
async function change(words: string): Promise<string> {
  const { messages } = await play({ answer: words });
  return (
    messages.map((message) => message.text).find((text) => text.endsWith("small change:")) ?? ""
  );
}

async function run(call: ToolCall, shell: Shell, life: Life): Promise<string> {
  const { command, action } = args.parse(JSON.parse(call.args));
  if (call.tool === "ask_question") {
    return life.answer ?? "The operator answered: Skip it and say so";
  }
  if (call.tool === "skill") {
    return action === "list" ? (life.skills ?? "fix-a-failing-test: mends a test") : "# Fix it";
  }
  const result = await shell.exec(command ?? "");
  return `${result.stdout}${result.stderr}[exit ${result.exitCode}, in /workspace]`;
}

function shortly(call: ToolCall): string {
  const { command, action, choices } = args.parse(JSON.parse(call.args));
  return command?.split("\n")[0] ?? action ?? `ask: ${choices?.join(" / ")}`;
}

const opening = [
  "ls -la + list",
  "read",
  "bash test.sh",
  "cat total.sh + cat prices.csv",
  "ask: Count it as 0 / Skip it and say so",
];

suite("the demo", () => {
  test("finds the bug, asks, mends it and shows that the test passes", async () => {
    const { ran, last, shell } = await play({});
    assert.deepEqual(ran, [...opening, "cat > total.sh <<'EOF'", "bash test.sh"]);
    assert.match(last, /^Done: the test passes\.\n/);
    assert.equal((await shell.exec("bash total.sh")).stdout, "no price: lamp\n125.70\n");
  });

  test("does what the operator chose", async () => {
    const { ran, last, shell } = await play({ answer: "The operator answered: Count it as 0" });
    const fix = "sed -i 's/NR > 2/NR > 1/' total.sh && cat total.sh";
    assert.deepEqual(ran, [...opening, fix, "bash test.sh"]);
    assert.match(last, /an empty price counts as 0/);
    assert.equal((await shell.exec("bash total.sh")).stdout, "125.70\n");
  });

  test("follows the operator's own words, and says when it cannot", async () => {
    const skip = /^Thank you\. A row without a price is named/;
    const zero = /^Thank you\. An empty price counts as 0/;
    const unclear = /^I am only a script .* A row without a price is named/;
    assert.match(await change("The operator answered: just leave it out"), skip);
    assert.match(await change("The operator answered: zero please"), zero);
    assert.match(await change("The operator answered: don't skip it, count it"), unclear);
    assert.match(await change("The operator answered: ask Maria"), unclear);
    assert.match(await change("Nobody is there to answer. Decide yourself, and say so."), unclear);
  });

  test("makes its sample in any other folder, beside what is there", async () => {
    const { ran, last, shell } = await play({
      files: { "index.html": "<p>", "test.sh": "exit 9" },
    });
    assert.deepEqual(ran.slice(0, 4), [
      "ls -la + list",
      "mkdir -p cairn-demo + read",
      "bash cairn-demo/test.sh",
      "cat cairn-demo/total.sh + cat cairn-demo/prices.csv",
    ]);
    assert.match(last, /^Done: the test passes\./);
    assert.equal((await shell.exec("bash cairn-demo/test.sh")).exitCode, 0);
    assert.equal((await shell.exec("cat test.sh")).stdout, "exit 9");
  });

  test("does without the skill, and without work to do", async () => {
    const { ran } = await play({ skills: "There are no skills." });
    assert.deepEqual(ran.slice(0, 2), ["ls -la + list", "bash test.sh"]);
    const mended = { ...demoSample, "total.sh": "echo 125.70\n" };
    const { last } = await play({ files: mended });
    assert.equal(last, "The test passes already, so there is nothing to mend.");
  });

  test("stops politely at whatever is refused or fails", async () => {
    const story = await play({ files: {} });
    const steps = story.messages.flatMap((message) =>
      message.role === "assistant" ? message.toolCalls : [],
    );
    const rejected = "The operator rejected this call: not now. Nothing ran.";
    for (const [position, step] of steps.entries()) {
      if (step.tool === "skill") continue;
      const instead = (call: ToolCall): string | null => (call.id === step.id ? rejected : null);
      const { last, messages } = await play({ files: {}, instead });
      assert.match(last, /, so I stop here instead of guessing\./, shortly(step));
      const made = messages.filter((message) => message.role === "tool").length;
      assert.ok(made <= position + 2, `${shortly(step)} was rejected and the demo went on`);
    }
  });

  test("says the same to the same conversation, and goodbye after its end", async () => {
    const { messages } = await play({});
    for (const [position, message] of messages.entries()) {
      if (message.role !== "assistant") continue;
      const { text, calls } = demoReply(messages.slice(0, position));
      assert.deepEqual([text, calls], [message.text, message.toolCalls]);
    }
    const after = demoReply([...messages, { role: "user", text: "And now?" }]);
    assert.deepEqual(after.calls, []);
    assert.match(after.text, /^That was the whole demo\./);
  });

  test("carries the same sample as media/demo", async () => {
    const folder = new URL("media/demo/", root);
    const names = await readdir(folder);
    assert.deepEqual(names.toSorted(), Object.keys(demoSample).toSorted());
    for (const name of names) {
      assert.equal(await readFile(new URL(name, folder), "utf8"), demoSample[name], name);
    }
  });

  for (const answer of ["Count it as 0", "Skip it and say so"]) {
    test(`goes the same way in real bash: ${answer}`, async () => {
      const folder = await mkdtemp(join(tmpdir(), "cairn-demo-"));
      try {
        const real = await play({ shell: realBash(folder), answer });
        const { ran, last, shell } = await play({ files: {}, answer });
        assert.deepEqual([real.ran, real.last], [ran, last]);
        const total = "bash cairn-demo/total.sh";
        assert.deepEqual(await real.shell.exec(total), {
          stdout: (await shell.exec(total)).stdout,
          stderr: "",
          exitCode: 0,
        });
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }

  test("reads a skill that is there", async () => {
    const text = await readFile(new URL("skills/fix-a-failing-test/SKILL.md", root), "utf8");
    assert.match(text, /^---\nname: fix-a-failing-test\ndescription: \S.*\n---\n/);
  });
});

async function send(
  server: DemoServer,
  different: { method?: string; path?: string; body?: string; headers?: Record<string, string> },
): Promise<number> {
  const { port } = new URL(server.url);
  const body = JSON.stringify({
    model: "demo",
    stream: true,
    messages: [{ role: "user", content: "Hello" }],
  });
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      {
        host: "127.0.0.1",
        port,
        method: different.method ?? "POST",
        path: different.path ?? "/v1/chat/completions",
        headers: { authorization: `Bearer ${server.key}`, ...different.headers },
      },
      (response) => {
        response.resume();
        response.once("end", () => resolve(response.statusCode ?? 0));
      },
    );
    sent.once("error", reject);
    sent.end(different.body ?? body);
  });
}

suite("the demo server", () => {
  test("answers its own key only, by its own name, and only this one request", async () => {
    const server = await startDemoServer();
    try {
      const statuses = [
        await send(server, {}),
        await send(server, { headers: { authorization: "Bearer demo" } }),
        await send(server, { headers: { authorization: "" } }),
        await send(server, { headers: { host: "localhost" } }),
        await send(server, { headers: { origin: "http://127.0.0.1" } }),
        await send(server, { method: "GET" }),
        await send(server, { path: "/v1/models" }),
        await send(server, { body: "{" }),
        await send(server, { body: '{"model":"demo","messages":[]}' }),
      ];
      assert.deepEqual(statuses, [200, 401, 401, 403, 403, 405, 404, 400, 400]);
      assert.equal(server.requests(), 1);
      await assert.rejects(send(server, { body: "x".repeat(33 * 1024 * 1024) }));
    } finally {
      await server.close();
    }
  });

  test("listens where nobody else can reach it, with another key each time", async () => {
    const first = await startDemoServer();
    const second = await startDemoServer();
    await first.close();
    await second.close();
    assert.match(first.url, /^http:\/\/127\.0\.0\.1:/);
    assert.notEqual(first.key, second.key);
    await assert.rejects(send(first, {}), { code: "ECONNREFUSED" });
  });
});
