import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { createServer as createPlain } from "node:net";
import { connect, createServer } from "node:tls";
import { readClientHello } from "../../src/proxy/clientHello.ts";
import { spoken, spokenInside, toTheEnd, tunnel } from "./raw.ts";
import { RunningProxy } from "./runningProxy.ts";
import {
  curl,
  listening,
  plainHost,
  refusedWith,
  ruleFor,
  secureHost,
  worldAuthority,
} from "./world.ts";

const methods = ["GET", "POST", "PUT", "TRACE", "OPTIONS", "CONNECT"];

suite("what can be understood in two ways goes nowhere", () => {
  const seen: string[] = [];
  const closing: (() => unknown)[] = [];
  let proxy: RunningProxy;
  let [plain, secure, closed]: [number, number, number] = [0, 0, 0];

  before(async () => {
    const context = { after: (end: () => unknown): void => void closing.push(end) };
    const take = plainHost((message, answer) => {
      seen.push(message.url ?? "");
      message.resume().once("end", () => answer.end("done"));
    });
    plain = await listening(context, take);
    secure = await listening(
      context,
      secureHost((message, answer) => {
        seen.push(message.url ?? "");
        answer.end("secure");
      }),
    );
    closed = await listening(
      context,
      createServer(
        { SNICallback: (name, call) => call(null, worldAuthority.contextFor(name)) },
        (socket) => {
          socket.on("error", () => socket.destroy());
          socket.end("through and through");
        },
      ),
    );
    const names = {
      "api.test": [["127.0.0.1"]],
      "closed.test": [["127.0.0.1"]],
      "private.test": [["10.9.8.7"]],
      "mixed.test": [["1.1.1.1", "127.0.0.1"]],
      "turning.test": [["127.0.0.1"], ["10.0.0.1"]],
    };
    proxy = await RunningProxy.start(
      {
        allowed: [
          ruleFor("api.test", plain, { scheme: "http", methods }),
          ruleFor("api.test", secure, { methods }),
          ruleFor("closed.test", closed, { passThrough: true }),
          ruleFor("private.test", plain, { scheme: "http" }),
          ruleFor("private.test", closed, { passThrough: true }),
          ruleFor("mixed.test", plain, { scheme: "http", addresses: [] }),
          ruleFor("turning.test", plain, { scheme: "http", methods: ["GET", "POST"] }),
          ruleFor("127.0.0.1", plain, { scheme: "http", addresses: [], name: "self" }),
          ruleFor("[::1]", plain, { scheme: "http", addresses: [], name: "self-six" }),
          ruleFor("169.254.169.254", 80, { scheme: "http", name: "metadata" }),
        ],
        denied: [],
        secrets: {},
      },
      {
        given: { names, limits: { connectMs: 3000 } },
        listen: { kind: "network", host: "0.0.0.0", port: 0, workers: ["127.0.0.1"] },
      },
    );
  });
  after(async () => {
    await proxy.end();
    for (const end of closing) end();
  });

  test("two lengths, two hosts, folded lines, changes of protocol, TRACE and CONNECT in a tunnel", async () => {
    const odd = {
      "length and chunks":
        "POST /a HTTP/1.1\r\nHost: @\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "two lengths":
        "POST /a HTTP/1.1\r\nHost: @\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
      "a length in two": "POST /a HTTP/1.1\r\nHost: @\r\nContent-Length: 5, 5\r\n\r\nhello",
      "another coding":
        "POST /a HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      "two codings":
        "POST /a HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "two hosts": "GET /a HTTP/1.1\r\nHost: @\r\nHost: @\r\n\r\n",
      "no host": "GET /a HTTP/1.1\r\nAccept: */*\r\n\r\n",
      "a folded line": "GET /a HTTP/1.1\r\nHost: @\r\nX-Long: a\r\n b\r\n\r\n",
      "a space before the colon": "GET /a HTTP/1.1\r\nHost: @\r\nX-Odd : a\r\n\r\n",
      "a bare line feed": "GET /a HTTP/1.1\r\nHost: @\nX-Odd: a\r\n\r\n",
      "a NUL": "GET /a HTTP/1.1\r\nHost: @\r\nX-Odd: a\0b\r\n\r\n",
      websocket:
        "GET /a HTTP/1.1\r\nHost: @\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      trace: "TRACE /a HTTP/1.1\r\nHost: @\r\n\r\n",
      asterisk: "OPTIONS * HTTP/1.1\r\nHost: @\r\n\r\n",
      "a relayed CONNECT": "CONNECT @ HTTP/1.1\r\nHost: @\r\n\r\n",
      "another version": "GET /a HTTP/2.0\r\nHost: @\r\n\r\n",
      "no HTTP": "EHLO example\r\n\r\n",
    };
    seen.length = 0;
    for (const [what, text] of Object.entries(odd)) {
      const inside = `api.test:${secure}`;
      const answer = await spokenInside(proxy, inside, text.replaceAll("@", inside));
      assert.match(
        answer,
        /^HTTP\/1\.1 4\d\d [^]*Cairn-Refused: proxy\.malformed/,
        `${what} in TLS`,
      );
      if (what === "a relayed CONNECT") continue;
      const outside = `api.test:${plain}`;
      const absolute = text.replace(" /a ", ` http://${outside}/a `).replaceAll("@", outside);
      const plainly = await spoken(proxy, absolute);
      assert.match(plainly, /^HTTP\/1\.1 4\d\d [^]*Cairn-Refused: proxy\.malformed/, what);
    }
    assert.deepEqual(seen, []);
  });

  test("an address that is not one for a proxy, or a tunnel to no host", async () => {
    const targets = ["/a", "https://api.test/a", "ftp://api.test/a", "http://u@api.test/a"];
    for (const target of targets) {
      const answer = await spoken(proxy, `GET ${target} HTTP/1.1\r\nHost: api.test\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 400 [^]*Cairn-Refused: proxy\.malformed/, target);
    }
    const tunnels = [
      "api.test",
      "api.test:0",
      "a@api.test:443",
      "2130706433:443",
      "[::ffff:1.1.1.1]:443",
    ];
    for (const target of tunnels) {
      const { answer } = await tunnel(proxy, target);
      assert.match(answer, /^HTTP\/1\.1 400 [^]*Cairn-Refused: proxy\.malformed/, target);
    }
    const other = "CONNECT api.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n";
    assert.match(await spoken(proxy, other), /^HTTP\/1\.1 421 [^]*Cairn-Refused: proxy\.mismatch/);
  });

  test("HTTP/2 in clear is offered, and passed over", async () => {
    const got = await curl(proxy, "--http2", `http://api.test:${plain}/h2c`);
    assert.equal(got.status, 200);
    assert.match(got.head, /^HTTP\/1\.1/);
  });

  test("what is no TLS in a tunnel ends it", async () => {
    const { socket } = await tunnel(proxy, `api.test:${secure}`);
    socket.write("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n");
    assert.match(await toTheEnd(socket), /Cairn-Refused: proxy\.malformed/);
  });

  test("Missing or wrong proxy identity: 407", async () => {
    const asks = [
      `GET http://api.test:${plain}/a HTTP/1.1\r\nHost: api.test:${plain}\r\n\r\n`,
      `CONNECT api.test:${secure} HTTP/1.1\r\nHost: api.test:${secure}\r\n\r\n`,
    ];
    for (const ask of asks) {
      const from = proxy.reports.length;
      const answer = await spoken(proxy, ask, "127.0.0.2");
      assert.match(answer, /^HTTP\/1\.1 407 [^]*Cairn-Refused: proxy\.identity/);
      assert.match(answer, /Proxy-Authenticate: Basic/);
      assert.equal((await proxy.nextReport(from)).refused, "proxy.identity");
    }
  });

  test("an address of the machine or of a cloud's metadata needs more than a rule for it", async () => {
    for (const url of [
      `http://127.0.0.1:${plain}/`,
      `http://[::1]:${plain}/`,
      "http://169.254.169.254/latest/",
      `http://mixed.test:${plain}/`,
      `http://private.test:${plain}/`,
      `https://private.test:${closed}/`,
    ]) {
      const got = await curl(proxy, "-g", url);
      assert.equal(refusedWith(got), "proxy.address", url);
    }
    for (const spelled of ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]"]) {
      const ask = `GET http://${spelled}:${plain}/ HTTP/1.1\r\nHost: ${spelled}:${plain}\r\n\r\n`;
      assert.match(await spoken(proxy, ask), /Cairn-Refused: proxy\.malformed/, spelled);
    }
  });

  test("a name is looked up once a connection, and what was checked is what is dialled", async () => {
    const url = `http://turning.test:${plain}/`;
    const lookups = (): number => proxy.spoken.split("asked for turning.test").length - 1;
    assert.equal((await curl(proxy, url)).status, 200);
    assert.equal((await curl(proxy, url)).status, 200);
    assert.equal(lookups(), 1);
    // What may change something has a connection of its own, and the name lies elsewhere by now.
    assert.equal(refusedWith(await curl(proxy, "-d", "a=1", url)), "proxy.address");
    assert.equal(lookups(), 2);
  });

  test("TLS that is passed through stays closed, to the host that it names and to no other", async () => {
    const from = proxy.reports.length;
    const { socket } = await tunnel(proxy, `closed.test:${closed}`);
    const ca = worldAuthority.certificate;
    const secured = connect({ socket, servername: "closed.test", ca });
    assert.equal(await toTheEnd(secured), "through and through");
    const report = await proxy.nextReport(from);
    assert.equal(report.refused, null);
    assert.equal(report.rule, "closed-test");
    assert.equal(report.receivedBytes > 500, true);
    // Nobody looks into it, so it may change something.
    const { request } = proxy.held.at(-1) ?? {};
    assert.deepEqual([request?.host, request?.method], ["closed.test", null]);
    const elsewhere = `other.test:${closed}`;
    const other = ["--connect-to", `${elsewhere}:closed.test:${closed}`];
    const got = await curl(proxy, ...other, `https://${elsewhere}/`);
    assert.equal(refusedWith(got), "proxy.mismatch", got.errors);
  });
});

test("the beginning of TLS is read however it is cut, and only that", async () => {
  const got = new Promise<Buffer>((resolve) => {
    const server = createPlain((socket) => {
      socket.once("data", (chunk) => {
        socket.destroy();
        server.close();
        resolve(chunk);
      });
    });
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      connect({ port, host: "127.0.0.1", servername: "api.test" }).on("error", () => undefined);
    });
  });
  const hello = await got;
  const named = { serverName: "api.test", hidesName: false };
  assert.deepEqual(readClientHello(hello), named);
  for (let cut = 0; cut < hello.length; cut += 1) {
    assert.equal(readClientHello(hello.subarray(0, cut)), "more", `${cut}`);
  }
  // The same message in records of one byte each.
  const records = Array.from(hello.subarray(5), (byte) => Buffer.of(22, 3, 1, 0, 1, byte));
  assert.deepEqual(readClientHello(Buffer.concat(records)), named);
  assert.equal(readClientHello(Buffer.from("GET / HTTP/1.1\r\n")), null);
  assert.equal(readClientHello(Buffer.of(22, 3, 1, 0x7f, 0xff, 1)), null);
  assert.equal(readClientHello(Buffer.of(22, 3, 1, 0, 4, 1, 0, 0xff, 0xff)), null);
  for (let at = 5; at < hello.length; at += 1) {
    const broken = Buffer.from(hello);
    broken[at] = (broken[at] ?? 0) ^ 0xff;
    const read = readClientHello(broken);
    assert.equal(typeof read === "object" || read === "more", true);
  }
});
