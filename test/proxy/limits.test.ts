import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, before, suite, test, type TestContext } from "node:test";
import { spoken } from "./raw.ts";
import { RunningProxy } from "./runningProxy.ts";
import { curl, type Got, listening, plainHost, refusedWith, ruleFor, secureHost } from "./world.ts";
import type { Given } from "./given.ts";
import type { SandboxProxyRule } from "../../src/core/proxyRule.ts";

const names = { "api.test": [["127.0.0.1"]] };

async function proxyFor(
  t: TestContext,
  rule: SandboxProxyRule,
  limits: Given["limits"] = {},
): Promise<RunningProxy> {
  const rules = { allowed: [rule], denied: [], secrets: {} };
  const proxy = await RunningProxy.start(rules, { given: { names, limits } });
  t.after(() => proxy.end());
  return proxy;
}

suite("a body is as long as its rule allows", { concurrency: true }, () => {
  test("a longer request is refused, whether it says so before or not", async (t) => {
    let received = 0;
    const port = await listening(
      t,
      secureHost((message, answer) => {
        message.on("data", (chunk: Buffer) => (received += chunk.length));
        message.on("end", () => answer.end("taken"));
        message.on("error", () => undefined);
      }),
    );
    const more = { methods: ["POST"], requestLimits: { bytes: 1000 } };
    const proxy = await proxyFor(t, ruleFor("api.test", port, more));
    const url = `https://api.test:${port}/`;
    const send = (bytes: number, ...words: readonly string[]): Promise<Got> =>
      curl(proxy, "--data-binary", "x".repeat(bytes), ...words, url);
    assert.equal((await send(1000)).body, "taken");
    assert.equal((await send(1000, "-H", "Transfer-Encoding: chunked")).body, "taken");
    received = 0;
    const said = await send(1001);
    assert.equal(refusedWith(said), "proxy.tooLarge");
    assert.equal(said.status, 413);
    assert.equal(received, 0);
    const unsaid = await send(100_000, "-H", "Transfer-Encoding: chunked");
    assert.equal(refusedWith(unsaid), "proxy.tooLarge");
    assert.equal(received <= 1000, true);
    const expecting = await send(100_000, "-H", "Expect: 100-continue");
    assert.equal(refusedWith(expecting), "proxy.tooLarge");
    assert.equal((await send(900, "-H", "Expect: 100-continue")).body, "taken");
  });

  test("a longer answer is refused where it says so, and else is cut and reported", async (t) => {
    const port = await listening(
      t,
      plainHost((message, answer) => {
        const bytes = Buffer.alloc(Number(message.url?.slice(1).replace("/said", "")));
        if (message.url?.endsWith("/said") === true)
          answer.setHeader("Content-Length", bytes.length);
        else answer.setHeader("Transfer-Encoding", "chunked");
        answer.end(bytes);
      }),
    );
    const more = { scheme: "http", responseLimits: { bytes: 5000 } } as const;
    const proxy = await proxyFor(t, ruleFor("api.test", port, more));
    const url = `http://api.test:${port}`;
    assert.equal((await curl(proxy, `${url}/5000`)).body.length, 5000);
    assert.equal((await curl(proxy, `${url}/5000/said`)).body.length, 5000);
    assert.equal(refusedWith(await curl(proxy, `${url}/5001/said`)), "proxy.tooLarge");
    const from = proxy.reports.length;
    const cut = await curl(proxy, `${url}/200000`);
    assert.notEqual(cut.errors, "");
    assert.equal(cut.body.length <= 5000, true);
    assert.equal((await proxy.nextReport(from)).refused, "proxy.tooLarge");
  });
});

/** Case I23-03: none of these holds a connection, or memory, for ever. */
suite("an upstream that never ends, ends", { concurrency: true }, () => {
  const ways: Readonly<Record<string, (write: (text: string) => void) => void>> = {
    "that says nothing": () => undefined,
    "that drips its headers": (write) => {
      write("HTTP/1.1 200 OK\r\n");
      const timer = setInterval(() => write("X-More: a\r\n"), 50);
      setTimeout(() => clearInterval(timer), 5000).unref();
      timer.unref();
    },
    "that has interim answers for ever": (write) => {
      const timer = setInterval(() => write("HTTP/1.1 103 Early Hints\r\n\r\n"), 50);
      setTimeout(() => clearInterval(timer), 5000).unref();
      timer.unref();
    },
    "that drips its body": (write) => {
      write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
      const timer = setInterval(() => write("x"), 50);
      setTimeout(() => clearInterval(timer), 5000).unref();
      timer.unref();
    },
    "that stops in its body": (write) => write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
  };
  const closing: (() => unknown)[] = [];
  const ports = new Map<string, number>();
  let proxy: RunningProxy;

  before(async () => {
    const context = { after: (end: () => unknown): void => void closing.push(end) };
    for (const [way, act] of Object.entries(ways)) {
      const host = createServer((socket) => {
        socket.on("error", () => socket.destroy());
        socket.once("data", () => act((text) => socket.writable && socket.write(text)));
      });
      ports.set(way, await listening(context, host));
    }
    const silent = createServer((socket) => socket.on("error", () => socket.destroy()));
    ports.set("silent", await listening(context, silent));
    const rules = Array.from(ports.values(), (port) =>
      ruleFor("api.test", port, { scheme: "http" }),
    );
    const secure = ruleFor("api.test", ports.get("silent") ?? 0);
    const nameless = ruleFor("nobody.test", 443);
    const limits = { idleMs: 600, headersMs: 900, totalMs: 1500, connectMs: 500 };
    proxy = await RunningProxy.start(
      { allowed: [...rules, secure, nameless], denied: [], secrets: {} },
      { given: { names, limits } },
    );
  });
  after(async () => {
    await proxy.end();
    for (const end of closing) end();
  });

  for (const way of Object.keys(ways)) {
    test(way, async () => {
      const port = ports.get(way) ?? 0;
      const startedAt = performance.now();
      const got = await curl(proxy, `http://api.test:${port}/`);
      assert.equal(got.errors !== "" || refusedWith(got) === "proxy.upstream", true, got.head);
      assert.equal(performance.now() - startedAt < 4000, true);
      const report = await proxy.reportOf(({ request }) => request?.port === port);
      assert.equal(report.refused, "proxy.upstream");
    });
  }

  test("that never begins with TLS, or has no name", async () => {
    const startedAt = performance.now();
    const got = await curl(proxy, `https://api.test:${ports.get("silent") ?? 0}/`);
    assert.equal(refusedWith(got), "proxy.upstream");
    assert.equal(performance.now() - startedAt < 4000, true);
    assert.equal(refusedWith(await curl(proxy, "https://nobody.test/")), "proxy.name");
  });
});

test("there are so many connections at once and no more, and headers of so many bytes", async (t) => {
  const port = await listening(
    t,
    plainHost((_message, answer) => answer.end("ok")),
  );
  const rule = ruleFor("api.test", port, { scheme: "http" });
  const proxy = await proxyFor(t, rule, { connections: 10 });
  const sockets = Array.from({ length: 10 }, () => connect(proxy.port, "127.0.0.1"));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const eleventh = connect(proxy.port, "127.0.0.1");
  eleventh.on("error", () => eleventh.destroy());
  await once(eleventh, "close");
  const gone = once(sockets[0] ?? eleventh, "close");
  sockets[0]?.destroy();
  await gone;
  assert.equal((await curl(proxy, `http://api.test:${port}/`)).body, "ok");
  for (const socket of sockets) socket.destroy();
  const long = "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(20_000);
  const ask = `GET http://api.test:${port}/ HTTP/1.1\r\nHost: api.test:${port}\r\n${long}\r\n`;
  assert.match(await spoken(proxy, ask), /Cairn-Refused: proxy\.malformed/);
});

test("a proxy whose output nobody reads, or that is closed, goes on answering", async (t) => {
  const port = await listening(
    t,
    plainHost((_message, answer) => answer.end("ok")),
  );
  const rule = ruleFor("api.test", port, { scheme: "http" });
  const proxy = await proxyFor(t, rule);
  proxy.process.stdout?.pause();
  const path = `/${"a".repeat(1500)}`;
  const urls = Array.from({ length: 300 }, () => `http://api.test:${port}${path}`);
  const got = await curl(proxy, ...urls);
  assert.equal(`${got.head}${got.body}`.split("HTTP/1.1 200").length - 1, 300);
  proxy.process.stdout?.destroy();
  assert.equal((await curl(proxy, `http://api.test:${port}/`)).body, "ok");
  assert.equal((await curl(proxy, `http://api.test:${port}/`)).body, "ok");
});
