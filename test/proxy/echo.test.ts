import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { createServer } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { RunningProxy } from "./runningProxy.ts";
import { curl, listening, plainHost, refusedWith, ruleFor, secureHost } from "./world.ts";

const token = "t0k/en+of=the&echo-0123456789abc";
const login = Buffer.from("anna:her-pass-word-1").toString("base64");
const marker = "[redacted: known secret]";

interface Echo {
  readonly message: IncomingMessage;
  readonly answer: ServerResponse;
  readonly sent: string;
  readonly body: Buffer;
}

function coded(coding: string, fold: (body: Buffer) => Buffer): (echo: Echo) => unknown {
  return ({ answer, body }) =>
    answer.writeHead(200, { "Content-Encoding": coding }).end(fold(body));
}

/** All parts of an answer that can hold what was sent. */
const parts: Readonly<Record<string, (echo: Echo) => unknown>> = {
  "/body": ({ answer, body }) => answer.end(body),
  "/length": ({ answer, body }) =>
    answer.writeHead(200, { "Content-Length": body.length }).end(body),
  "/page": ({ answer, sent }) =>
    answer.writeHead(500).end(`<p>${sent.replaceAll("&", "&amp;")}</p>`),
  "/reason": ({ answer, sent }) => answer.writeHead(401, `no ${sent}`).end("no"),
  "/headers": ({ answer, sent }) =>
    answer
      .writeHead(200, { "X-Sent": sent, "WWW-Authenticate": `Bearer error="${sent}"` })
      .end("see above"),
  "/location": ({ answer, sent }) =>
    answer.writeHead(302, { Location: `/a?t=${encodeURIComponent(sent)}` }).end(),
  "/cookie": ({ answer }) =>
    answer.writeHead(200, { "Set-Cookie": "session=as-good-as-the-token" }).end("ok"),
  "/trailers": ({ answer, sent }) => {
    answer.writeHead(200, { Trailer: "X-Sent" });
    answer.write("body");
    answer.addTrailers({ "X-Sent": sent });
    answer.end();
  },
  "/gzip": coded("gzip", gzipSync),
  "/deflate": coded("deflate", deflateSync),
  "/br": coded("br", brotliCompressSync),
  "/zstd": coded("zstd", zstdCompressSync),
  "/twice": coded("br, gzip", (body) => gzipSync(brotliCompressSync(body))),
  "/compress": coded("compress", (body) => body),
  "/bomb": coded("gzip", () => gzipSync(Buffer.alloc(64 * 1024 * 1024))),
  "/range": ({ answer, message: { headers } }) =>
    answer.end(`${String(headers.range)} ${String(headers["accept-encoding"])}`),
};

const echo: RequestListener = (message, answer) => {
  const sent = String(message.headers.authorization);
  const body = Buffer.from(`you sent ${sent}, in base64 ${Buffer.from(sent).toString("base64")}\n`);
  const { url = "" } = message;
  const part = parts[url];
  if (part !== undefined) return void part({ message, answer, sent, body });
  // Split at the offset that the path names, each piece in a packet of its own.
  const at = Number(url.slice(1));
  answer.write(body.subarray(0, at));
  setImmediate(() => answer.end(body.subarray(at)));
};

suite("S4: An upstream that echoes the header: the worker never sees it", () => {
  const closing: (() => unknown)[] = [];
  const context = { after: (end: () => unknown): void => void closing.push(end) };
  let proxy: RunningProxy;
  let [plain, secure, basic]: [number, number, number] = [0, 0, 0];

  before(async () => {
    plain = await listening(context, plainHost(echo));
    secure = await listening(context, secureHost(echo));
    basic = await listening(
      context,
      plainHost((_message, answer) => answer.end("you are anna, with her-pass-word-1")),
    );
    const headers = { Authorization: "Bearer {{ echo }}" };
    proxy = await RunningProxy.start(
      {
        allowed: [
          ruleFor("echo.test", plain, { headers, scheme: "http", name: "plain" }),
          ruleFor("echo.test", secure, { headers }),
          ruleFor("basic.test", basic, {
            headers: { Authorization: "Basic {{ login }}" },
            scheme: "http",
          }),
          ruleFor("lost.test", plain, { headers: { "X-Key": "{{ lost }}" }, scheme: "http" }),
        ],
        denied: [],
        secrets: { echo: token, login },
      },
      {
        given: {
          names: Object.fromEntries(
            ["echo.test", "basic.test", "lost.test"].map((name) => [name, [["127.0.0.1"]]]),
          ),
          limits: { unfoldedBytes: 1024 * 1024 },
        },
      },
    );
  });
  after(async () => {
    await proxy.end();
    for (const end of closing) end();
  });

  const told = `you sent ${marker}, in base64 ${marker}`;
  const cases: Readonly<Record<string, string>> = {
    "/body": told,
    "/length": told,
    "/page": `<p>${marker}</p>`,
    "/reason": "no",
    "/headers": "see above",
    "/location": "",
    "/trailers": "body",
    "/gzip": told,
    "/deflate": told,
    "/br": told,
    "/zstd": told,
    "/twice": told,
  };
  for (const [path, expected] of Object.entries(cases)) {
    test(`${path}, in TLS and without`, async () => {
      for (const url of [`http://echo.test:${plain}`, `https://echo.test:${secure}`]) {
        const got = await curl(proxy, url + path);
        const all = got.head + got.body;
        assert.equal(got.body.startsWith(expected), true, all + got.errors);
        for (const form of [token, encodeURIComponent(token), token.slice(8, 20), "b2YQ9"]) {
          assert.equal(all.includes(form), false, all);
        }
        assert.equal(/content-encoding/i.test(got.head), false);
      }
    });
  }

  test("cut in two at every offset", async () => {
    const length = 150;
    const urls = Array.from({ length }, (_, at) => `http://echo.test:${plain}/${at}`);
    const got = await curl(proxy, ...urls);
    const all = got.head + got.body;
    assert.equal(all.split(told).length - 1, length);
    assert.equal(all.includes(token.slice(0, 12)), false);
  });

  test("a session that began with it stays outside, and so does a piece that could be asked for", async () => {
    const got = await curl(proxy, `http://echo.test:${plain}/cookie`);
    assert.equal(/set-cookie/i.test(got.head), false);
    const words = ["-r", "0-10", "--compressed", `http://echo.test:${plain}/range`];
    assert.equal((await curl(proxy, ...words)).body, "undefined identity");
  });

  test("what is in the base64 of a login is as secret as the login", async () => {
    const got = await curl(proxy, `http://basic.test:${basic}/`);
    assert.equal(got.body, `you are anna, with ${marker}`);
  });

  test("a coding that is not known goes nowhere, and a small answer that unfolds without end is cut", async () => {
    const from = proxy.reports.length;
    const unknown = await curl(proxy, `http://echo.test:${plain}/compress`);
    assert.equal(refusedWith(unknown), "proxy.upstream");
    const bomb = await curl(proxy, `http://echo.test:${plain}/bomb`);
    assert.notEqual(bomb.errors, "");
    assert.equal(bomb.body.length <= 1024 * 1024, true);
    assert.equal((await proxy.nextReport(from + 1)).refused, "proxy.tooLarge");
  });

  test("a secret that is not known is named by its code, and nothing is asked of the host", async () => {
    const got = await curl(proxy, `http://lost.test:${plain}/body`);
    assert.equal(refusedWith(got), "proxy.noSecret");
    assert.equal(got.status, 403);
  });

  test("what it says of its work holds none of it", () => {
    assert.equal(proxy.spoken.includes(token), false);
    assert.equal(proxy.spoken.includes(login), false);
  });
});

test("an upstream that is no web server, or answers in pieces that make no sense, is none", async (t) => {
  const answers = [
    "SSH-2.0-OpenSSH\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-Odd: a\0b\r\n\r\n",
    `HTTP/1.1 200 OK\r\n${"X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(1000)}\r\n`,
    "",
  ];
  let next = 0;
  const port = await listening(
    t,
    createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.once("data", () => socket.end(answers[next] ?? ""));
    }),
  );
  const rule = ruleFor("odd.test", port, { scheme: "http" });
  const given = { names: { "odd.test": [["127.0.0.1"]] } };
  const proxy = await RunningProxy.start({ allowed: [rule], denied: [], secrets: {} }, { given });
  t.after(() => proxy.end());
  for (next = 0; next < answers.length; next += 1) {
    const got = await curl(proxy, `http://odd.test:${port}/`);
    assert.equal(refusedWith(got), "proxy.upstream", answers[next]?.slice(0, 60));
  }
});
