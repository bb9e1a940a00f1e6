import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { CairnError } from "../../src/core/errors.ts";
import type { ModelRequest } from "../../src/core/ports.ts";
import type { ModelReply } from "../../src/core/records.ts";
import { OpenAiModel } from "../../src/model/openAiModel.ts";
import { hostileServer, type HostileServer, type Seen } from "./hostileServer.ts";
import { chunk, done, event, fragment } from "./wire.ts";

const key = "sk-secret-0123456789";
const request: ModelRequest = {
  model: "model-1",
  messages: [{ role: "user", text: "Hello" }],
  tools: [],
};
const answer = chunk({ content: "Good day." }, "stop") + done;

interface Asked {
  readonly reply: ModelReply | null;
  readonly error: CairnError | null;
  readonly seen: readonly Seen[];
}

interface Settings {
  readonly request?: ModelRequest;
  readonly stallMs?: number;
  readonly apiKey?: () => Promise<string | null>;
}

/** Longer than the whole request may take: only for what has to end without the stall. */
const patient: Settings = { stallMs: 60_000 };

/** Asks a server that answers like this, once, and tells how that ended. */
async function ask(
  respond: (response: ServerResponse, server: HostileServer) => void,
  settings: Settings = {},
): Promise<Asked> {
  const server: HostileServer = await hostileServer((response) => respond(response, server));
  const { request: asked = request, stallMs = 5000, apiKey = async () => key } = settings;
  const model = new OpenAiModel({ url: server.url, apiKey, stallMs });
  try {
    const reply = await model.reply(asked, AbortSignal.timeout(10_000));
    return { reply, error: null, seen: server.seen };
  } catch (error) {
    assert.ok(CairnError.is(error), String(error));
    return { reply: null, error, seen: server.seen };
  } finally {
    await server.close();
  }
}

async function askFor(body: string, type = "text/event-stream"): Promise<Asked> {
  return ask((response) => response.writeHead(200, { "content-type": type }).end(body));
}

async function askRefused(
  status: number,
  body = "",
  headers: Record<string, string> = {},
): Promise<CairnError> {
  const asked = await ask((response) => response.writeHead(status, headers).end(body));
  assert.ok(asked.error !== null);
  assert.equal(asked.seen.length, 1, "a request is never repeated here");
  return asked.error;
}

function wireCall(id: string, name: string, args: string): object {
  return { id, type: "function", function: { name, arguments: args } };
}

function beginAnswer(response: ServerResponse): void {
  response.writeHead(200).write(chunk({ content: "Good" }));
}

suite("a request", () => {
  test("holds the conversation, the tools and the key, and nothing of this machine", async () => {
    const conversation: ModelRequest = {
      model: "model-1",
      messages: [
        { role: "system", text: "Be brief." },
        { role: "user", text: "List." },
        {
          role: "assistant",
          text: "",
          toolCalls: [
            { id: "a", tool: "exec", args: '{"command":"ls"}' },
            { id: "b", tool: "functions.exec", args: "ls -la" },
            { id: "c", tool: "exec", args: '"ls"' },
          ],
        },
        { role: "tool", callId: "a", text: "total.sh" },
        { role: "assistant", text: "Done.", toolCalls: [] },
      ],
      tools: [{ name: "exec", description: "Runs.", parameters: { type: "object" } }],
    };
    const { seen } = await ask((response) => response.end(answer), { request: conversation });
    const [first] = seen;
    assert.ok(first !== undefined);
    assert.equal(first.path, "/v1/chat/completions");
    assert.deepEqual(JSON.parse(first.body), {
      model: "model-1",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "List." },
        {
          role: "assistant",
          content: null,
          tool_calls: [
            wireCall("a", "exec", '{"command":"ls"}'),
            wireCall("b", "functions_exec", '{"malformed":"ls -la"}'),
            wireCall("c", "exec", String.raw`{"malformed":"\"ls\""}`),
          ],
        },
        { role: "tool", tool_call_id: "a", content: "total.sh" },
        { role: "assistant", content: "Done." },
      ],
      tools: [
        {
          type: "function",
          function: { name: "exec", description: "Runs.", parameters: { type: "object" } },
        },
      ],
      stream: true,
      stream_options: { include_usage: true },
    });
    const { authorization, "user-agent": agent } = first.headers;
    assert.deepEqual([authorization, agent], [`Bearer ${key}`, "cairn"]);
    assert.deepEqual(
      Object.keys(first.headers).filter((name) => /stainless|openai/.test(name)),
      [],
    );
  });

  test("without tools does not speak of tools", async () => {
    const { seen } = await askFor(answer);
    assert.doesNotMatch(seen[0]?.body ?? "tools", /tools/);
  });

  test("is the same whatever the environment says", async (context) => {
    const lines: unknown[] = [];
    for (const level of ["debug", "info", "warn", "error"] as const) {
      context.mock.method(console, level, (...line: unknown[]) => lines.push(line));
    }
    const variables = {
      OPENAI_BASE_URL: "http://127.0.0.1:1/v1",
      OPENAI_API_KEY: "sk-other",
      OPENAI_ADMIN_KEY: "sk-admin",
      OPENAI_ORG_ID: "org-other",
      OPENAI_PROJECT_ID: "project-other",
      OPENAI_LOG: "debug",
      OPENAI_CUSTOM_HEADERS: "authorization: Bearer sk-other\nx-injected: yes",
    };
    const plain = await askFor(answer);
    Object.assign(process.env, variables);
    try {
      const { seen, reply } = await askFor(answer);
      assert.equal(reply?.text, "Good day.");
      const names = (asked: Asked): string[] => Object.keys(asked.seen[0]?.headers ?? {});
      assert.deepEqual(names({ seen, reply, error: null }), names(plain));
      assert.equal(seen[0]?.headers.authorization, `Bearer ${key}`);
      assert.deepEqual(lines, []);
    } finally {
      for (const name of Object.keys(variables)) Reflect.deleteProperty(process.env, name);
    }
  });

  test("is not sent without a key that can be one", async () => {
    for (const bad of [null, "", "  \n", "sk one\ntwo", "schlüssel"]) {
      const asked = await ask((response) => response.end(answer), { apiKey: async () => bad });
      assert.equal(asked.error?.code, "model.noKey");
      assert.equal(asked.seen.length, 0);
      assert.doesNotMatch(String(asked.error), /sk one|schlüssel/);
    }
  });

  test("uses the key that is set now, without the line break of its file", async () => {
    const keys = ["first-key\n", "second-key"];
    const server = await hostileServer((response) => response.end(answer));
    try {
      const apiKey = async (): Promise<string | null> => keys.shift() ?? null;
      const model = new OpenAiModel({ url: `${server.url}/`, apiKey });
      await model.reply(request, AbortSignal.timeout(5000));
      await model.reply(request, AbortSignal.timeout(5000));
      const sent = server.seen.map(({ headers, path }) => `${headers.authorization} ${path}`);
      assert.deepEqual(sent, [
        "Bearer first-key /v1/chat/completions",
        "Bearer second-key /v1/chat/completions",
      ]);
    } finally {
      await server.close();
    }
  });

  test("goes to a web address only, and never to one with a password in it", () => {
    for (const url of ["", "example", "file:///etc/passwd", "https://me:pass@127.0.0.1/v1"]) {
      assert.throws(() => new OpenAiModel({ url, apiKey: async () => key }), {
        code: "usage.invalid",
      });
    }
  });
});

suite("a refusal says what to do", () => {
  for (const status of [401, 403]) {
    test(`${status}: set another key; the refused one is not shown`, async () => {
      const body = JSON.stringify({ error: { message: `Incorrect key: ${key}` } });
      const error = await askRefused(status, body);
      assert.equal(error.code, "model.unauthorized");
      assert.equal(
        error.message,
        "The model endpoint refused the key. Set another with `Cairn: Set API Key` or --api-key-file.",
      );
      assert.ok(!`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`.includes(key));
    });
  }

  test("404: names the model and the address", async () => {
    const error = await askRefused(404, JSON.stringify({ error: "no such model" }));
    assert.equal(error.code, "model.notFound");
    assert.match(
      error.message,
      /^The endpoint http:\/\/127\.0\.0\.1:\d+\/v1 does not know the model "model-1"\. .*"no such model"$/,
    );
  });

  test("429: may be tried again, after the time that was asked for", async () => {
    const soon = new Date(Date.now() + 60_000).toUTCString();
    const waits = ["2", "0.5", soon, "later", "-1"].map(async (after) => {
      const error = await askRefused(429, "", { "retry-after": after });
      assert.equal(error.code, "model.rateLimited");
      assert.ok(error.retryable);
      return error.details["retryAfterMs"];
    });
    const [seconds, half, date, none, past] = await Promise.all(waits);
    assert.deepEqual([seconds, half, none, past], [2000, 500, undefined, 0]);
    assert.ok(typeof date === "number" && date > 50_000 && date <= 60_000, String(date));
  });

  test("500 and 503 may be tried again, 400 and 422 not", async () => {
    const codes = [500, 503, 400, 422].map(async (status) => {
      const { code, retryable } = await askRefused(status, "<html>Sorry</html>");
      return [status, code, retryable];
    });
    assert.deepEqual(await Promise.all(codes), [
      [500, "model.unavailable", true],
      [503, "model.unavailable", true],
      [400, "model.rejected", false],
      [422, "model.rejected", false],
    ]);
  });

  test("the provider's words are quoted on one short line, without the key", async () => {
    const message = `Bad key ${key}\n\u001b[31m${"x".repeat(1000)}`;
    const error = await askRefused(400, JSON.stringify({ error: { message } }));
    assert.match(error.message, /The provider says: "Bad key \[key\] \[31mx+…"$/);
    assert.ok(error.message.length < 450);
  });

  test("a redirect is not followed", async () => {
    let other = 0;
    const elsewhere = await hostileServer((response) => {
      other += 1;
      response.end(answer);
    });
    try {
      const error = await askRefused(307, "", { location: `${elsewhere.url}/chat/completions` });
      assert.deepEqual([error.code, other], ["model.rejected", 0]);
    } finally {
      await elsewhere.close();
    }
  });

  test("a refusal without an end does not hold the session up", async () => {
    let pieces = 0;
    const endless = await ask((response) => {
      response.writeHead(500);
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(16_384))) pieces += 1;
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    }, patient);
    assert.equal(endless.error?.code, "model.unavailable");
    assert.ok(pieces < 1000, `${pieces} pieces were read`);
    const silent = await ask((response) => response.writeHead(401).write("{"), { stallMs: 100 });
    assert.equal(silent.error?.code, "model.unauthorized");
  });
});

suite("a broken connection", () => {
  test("an endpoint that is not there: the address and the reason, and a new try may help", async () => {
    const server = await hostileServer(() => {});
    await server.close();
    const model = new OpenAiModel({
      url: `${server.url}?token=hidden`,
      apiKey: async () => key,
    });
    await assert.rejects(model.reply(request, AbortSignal.timeout(5000)), {
      code: "model.unreachable",
      retryable: true,
      message: `Cannot reach the model endpoint ${server.url} (ECONNREFUSED). Check the URL and your connection.`,
    });
  });

  test("one that hangs up before it answers, or never answers", async () => {
    const gone = await ask((response) => response.socket?.destroy());
    assert.deepEqual([gone.error?.code, gone.error?.retryable], ["model.unreachable", true]);
    const silent = await ask(() => {}, { stallMs: 100 });
    assert.deepEqual([silent.error?.code, silent.error?.retryable], ["model.unreachable", true]);
  });

  test("an answer that is cut, or stops coming, is no answer", async () => {
    const cut = await ask((response) => {
      beginAnswer(response);
      setTimeout(() => response.socket?.destroy(), 20);
    });
    assert.deepEqual([cut.error?.code, cut.error?.retryable], ["model.cut", true]);
    const stalled = await ask(beginAnswer, { stallMs: 100 });
    assert.deepEqual([stalled.error?.code, stalled.error?.retryable], ["model.cut", true]);
    const ended = await askFor(chunk({ content: "Good" }));
    assert.equal(ended.error?.code, "model.cut");
  });

  test("a slow answer is whole as long as something comes", async () => {
    const { reply } = await ask(
      (response) => {
        const parts = [": wait\n\n", ": wait\n\n", chunk({ content: "slow" }), answer];
        const next = (): void => {
          const part = parts.shift();
          if (part === undefined) response.end();
          else response.write(part, () => setTimeout(next, 60));
        };
        next();
      },
      { stallMs: 150 },
    );
    assert.equal(reply?.text, "slowGood day.");
  });

  test("an answer is kept when the connection breaks after the reason to stop", async () => {
    const { reply } = await ask((response) => {
      response.writeHead(200).write(chunk({ content: "a" }, "stop"));
      setTimeout(() => response.socket?.destroy(), 20);
    });
    assert.deepEqual([reply?.text, reply?.usage], ["a", null]);
  });

  test("a connection that the provider leaves open after its last word is closed by us", async () => {
    const { reply } = await ask((response) => response.writeHead(200).write(answer), patient);
    assert.equal(reply?.text, "Good day.");
  });

  test("a cancelled request ends at once, before and during the answer", async () => {
    const controller = new AbortController();
    let closed: Promise<unknown> = Promise.resolve();
    const server = await hostileServer((response) => {
      closed = once(response, "close");
      response.writeHead(200).write(chunk({ content: "Good" }), () => controller.abort());
    });
    try {
      const model = new OpenAiModel({ url: server.url, apiKey: async () => key });
      const cancelled = { code: "cancelled", retryable: false };
      await assert.rejects(model.reply(request, controller.signal), cancelled);
      await closed;
      await assert.rejects(model.reply(request, controller.signal), cancelled);
      assert.equal(server.seen.length, 1);
    } finally {
      await server.close();
    }
  });
});

suite("an answer that is none", () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ["an HTML page", "model.malformed", "text/html", "<!doctype html><title>Log in</title>"],
    ["an answer in one piece", "model.malformed", "application/json", '{"choices":[]}'],
    ["JSON that is broken", "model.malformed", "text/event-stream", event("{") + done],
    ["nothing", "model.cut", "text/event-stream", ""],
    ["an error on the way", "model.unavailable", "text/event-stream", event({ error: "full" })],
  ];
  for (const [what, code, type, body] of cases) {
    test(`${what}: ${code}`, async () => {
      const { error } = await askFor(body, type);
      assert.equal(error?.code, code);
    });
  }

  test("ids of earlier turns are not used again", async () => {
    const { reply } = await ask(
      (response) => {
        const made = { index: 0, id: "a", function: { name: "exec", arguments: "{}" } };
        response.end(fragment(made) + chunk({}, "tool_calls") + done);
      },
      {
        request: {
          model: "model-1",
          messages: [
            { role: "user", text: "Go" },
            { role: "assistant", text: "", toolCalls: [{ id: "a", tool: "exec", args: "{}" }] },
            { role: "tool", callId: "a", text: "ok" },
          ],
          tools: [],
        },
      },
    );
    assert.deepEqual(reply?.toolCalls, [{ id: "call_1", tool: "exec", args: "{}" }]);
  });
});

test("the client library is loaded with the first request, not before", async () => {
  const script = `
    import { OpenAiModel } from ${JSON.stringify(new URL("../../src/model/openAiModel.ts", import.meta.url).href)};
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ resolve: (name, context, next) => (loaded.push(name), next(name, context)) });
    const model = new OpenAiModel({ url: "http://127.0.0.1:1", apiKey: async () => "k" });
    const before = loaded.includes("openai");
    await model.reply({ messages: [], tools: [] }, AbortSignal.timeout(5000)).catch(() => {});
    process.stdout.write(JSON.stringify([before, loaded.includes("openai")]));`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--input-type=module",
    "--eval",
    script,
  ]);
  assert.equal(stdout, "[false,true]");
});
