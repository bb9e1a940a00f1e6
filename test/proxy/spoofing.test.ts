import assert from "node:assert/strict";
import { suite, test, before, after } from "node:test";
import type { IncomingMessage } from "node:http";
import { RunningProxy } from "./runningProxy.ts";
import { curl, listening, plainHost, refusedWith, ruleFor, secureHost } from "./world.ts";

const secret = "s3cr3t-of-the-wiki-0123456789abcdef";

suite("S4: what a sandbox cannot talk the proxy into", () => {
  const seen: IncomingMessage[] = [];
  const closing: (() => unknown)[] = [];
  let proxy: RunningProxy;
  let [plain, secure]: [number, number] = [0, 0];

  before(async () => {
    const context = { after: (end: () => unknown): void => void closing.push(end) };
    const take = (message: IncomingMessage): void => void seen.push(message);
    plain = await listening(
      context,
      plainHost((message, answer) => {
        take(message);
        answer.end("plain");
      }),
    );
    secure = await listening(
      context,
      secureHost((message, answer) => {
        take(message);
        answer.end("secure");
      }),
    );
    const rule = {
      headers: { Authorization: "Bearer {{ wiki }}" },
      paths: ["/snippets/"],
    };
    const addresses = [["127.0.0.1"]];
    proxy = await RunningProxy.start(
      {
        allowed: [
          ruleFor("wiki.local", plain, { ...rule, scheme: "http", name: "plain" }),
          ruleFor("wiki.local", secure, rule),
          ruleFor("other.local", secure, { paths: ["/"], methods: ["GET", "POST"] }),
        ],
        denied: [ruleFor("other.local", secure, { paths: ["/secret/"], name: "never" })],
        secrets: { wiki: secret },
      },
      {
        given: {
          names: {
            "wiki.local": addresses,
            "other.local": addresses,
            "sub.wiki.local": addresses,
            "evil.local": addresses,
          },
        },
      },
    );
  });
  after(async () => {
    await proxy.end();
    for (const end of closing) end();
  });

  /** What is refused with this code, and reaches no host. */
  async function refused(code: string, ...words: readonly string[]): Promise<string> {
    seen.length = 0;
    const from = proxy.reports.length;
    const got = await curl(proxy, ...words);
    assert.equal(refusedWith(got), code, `${words.join(" ")}: ${got.head} ${got.errors}`);
    assert.equal((await proxy.nextReport(from)).refused, code);
    assert.deepEqual(seen, []);
    assert.equal(proxy.spoken.includes(secret), false);
    return got.body;
  }

  test("curl without a token gets 200 through the proxy, in TLS and without", async () => {
    for (const url of [`http://wiki.local:${plain}`, `https://wiki.local:${secure}`]) {
      seen.length = 0;
      const got = await curl(proxy, `${url}/snippets/durability?q=1`);
      assert.equal(got.status, 200, got.errors);
      assert.equal(seen[0]?.url, "/snippets/durability?q=1");
      assert.equal(seen[0]?.headers.authorization, `Bearer ${secret}`);
    }
    assert.equal((await proxy.nextReport(1)).request?.path, "/snippets/durability");
  });

  test("`Proxy-Authorization` is not seen upstream", async () => {
    seen.length = 0;
    const url = `http://wiki.local:${plain}/snippets/a`;
    const headers = [
      "X-Forwarded-For: 1.2.3.4",
      "Forwarded: for=1",
      "Connection: x-gone",
      "X-Gone: 1",
    ];
    const words = ["--proxy-user", "worker:guess", ...headers.flatMap((each) => ["-H", each])];
    assert.equal((await curl(proxy, ...words, url)).status, 200);
    assert.deepEqual(Object.keys(seen[0]?.headers ?? {}), [
      "host",
      "user-agent",
      "accept",
      "authorization",
      "accept-encoding",
      "connection",
    ]);
  });

  test("a rule's header goes over what the sandbox sent, in any spelling", async () => {
    seen.length = 0;
    const sent = ["AUTHORIZATION: Bearer mine", "authorization: Basic bWluZQ==", "Cookie: a=b"];
    const words = sent.flatMap((each) => ["-H", each]);
    await curl(proxy, ...words, `https://wiki.local:${secure}/snippets/a`);
    assert.equal(seen[0]?.headers.authorization, `Bearer ${secret}`);
    assert.equal(seen[0]?.headers.cookie, undefined);
    await curl(proxy, ...words, `https://other.local:${secure}/a`);
    assert.equal(seen[1]?.headers.authorization, "Bearer mine");
    assert.equal(seen[1]?.headers.cookie, "a=b");
  });

  test("Spoofed `Host`: refused, and no header leaves", async () => {
    const host = ["-H", "Host: other.local"];
    await refused("proxy.mismatch", ...host, `http://wiki.local:${plain}/snippets/a`);
    await refused("proxy.mismatch", ...host, `https://wiki.local:${secure}/snippets/a`);
    const port = ["-H", `Host: wiki.local:1`];
    await refused("proxy.mismatch", ...port, `http://wiki.local:${plain}/snippets/a`);
    await refused("proxy.mismatch", "-H", "Host: ①.local", `http://wiki.local:${plain}/snippets/a`);
  });

  test("Spoofed subdomain: refused, and no header leaves", async () => {
    await refused("proxy.noRule", `http://sub.wiki.local:${plain}/snippets/a`);
    await refused("proxy.noRule", `https://sub.wiki.local:${secure}/snippets/a`);
    await refused("proxy.noRule", `http://wiki.local.evil.local:${plain}/snippets/a`);
    await refused("proxy.noRule", `http://evil.local:${plain}/wiki.local/snippets/`);
  });

  test("Spoofed SNI: refused, and no header leaves", async () => {
    const elsewhere = ["--connect-to", `other.local:${secure}:wiki.local:${secure}`];
    const url = `https://other.local:${secure}/snippets/a`;
    await refused("proxy.mismatch", ...elsewhere, url);
    await refused("proxy.mismatch", "-k", ...elsewhere, "-H", `Host: wiki.local:${secure}`, url);
  });

  test("Absolute-URI mismatch: refused, and no header leaves", async () => {
    const target = ["--request-target", `https://other.local:${secure}/snippets/a`];
    await refused("proxy.mismatch", ...target, `https://wiki.local:${secure}/`);
    const plainTarget = ["--request-target", `http://other.local:${plain}/snippets/a`];
    await refused("proxy.mismatch", ...plainTarget, `http://wiki.local:${plain}/`);
  });

  test("Another method or path on the rule's host: refused", async () => {
    await refused("proxy.notCovered", "-d", "x=1", `http://wiki.local:${plain}/snippets/a`);
    await refused("proxy.notCovered", `http://wiki.local:${plain}/admin`);
    await refused("proxy.notCovered", `https://wiki.local:${secure}/snippetsx`);
    await refused("proxy.denied", `https://other.local:${secure}/secret/a`);
    const raw = ["--path-as-is", `https://wiki.local:${secure}/snippets/../admin`];
    await refused("proxy.malformed", ...raw);
    for (const path of [
      "%2e%2e/admin",
      "..%2fadmin",
      "..;/admin",
      "%2e%2e%5cadmin",
      "a//b",
      "%00",
    ]) {
      const url = `https://wiki.local:${secure}/snippets/${path}`;
      await refused("proxy.malformed", "--path-as-is", url);
    }
  });

  test("what may change something is held until it is on record, and else does not go", async () => {
    const url = `https://other.local:${secure}/a`;
    proxy.held.length = 0;
    seen.length = 0;
    proxy.lets = ({ request }) => {
      assert.deepEqual(seen, [], "nothing went before it was on record");
      return request.path === "/a";
    };
    assert.equal((await curl(proxy, "-d", "x=1", url)).status, 200);
    assert.deepEqual(proxy.held.splice(0), [
      {
        kind: "holds",
        number: 1,
        request: { scheme: "https", host: "other.local", port: secure, method: "POST", path: "/a" },
        rule: ruleFor("other.local", secure, {}).name,
      },
    ]);
    await refused("proxy.held", "-d", "x=1", `${url}/b`);
    proxy.held.length = 0;
    assert.equal((await curl(proxy, url)).status, 200);
    assert.deepEqual(proxy.held, []);
    proxy.lets = () => true;
  });

  test("a host without a rule is refused in TLS, too, so that what was wanted is known", async () => {
    const body = await refused("proxy.noRule", `https://evil.local:${secure}/a/b?token=1`);
    assert.match(body, /^The proxy refused https:\/\/evil\.local:\d+ \(proxy\.noRule\)\. /);
    const report = proxy.reports.at(-1);
    assert.deepEqual(report?.request, {
      scheme: "https",
      host: "evil.local",
      port: secure,
      method: "GET",
      path: "/a/b",
    });
  });

  test("logs hold header names, never values, and no query", () => {
    assert.equal(proxy.spoken.includes("token=1"), false);
    assert.equal(proxy.spoken.includes("Bearer"), false);
    assert.equal(proxy.spoken.includes('"injected":["Authorization"]'), true);
  });

  test("another certificate of the host than one for its own name is none", async () => {
    const wrong = await listening(
      { after: (end: () => unknown): void => void closing.push(end) },
      secureHost((_message, answer) => answer.end("wrong"), "evil.local"),
    );
    const rule = ruleFor("wiki.local", wrong);
    const { authority, ...usual } = rule;
    assert.notEqual(authority, undefined);
    const names = { "wiki.local": [["127.0.0.1"]], "evil.local": [["127.0.0.1"]] };
    const rules = { denied: [], secrets: {} };
    const strict = await RunningProxy.start({ ...rules, allowed: [rule] }, { given: { names } });
    const got = await curl(strict, `https://wiki.local:${wrong}/`);
    assert.equal(refusedWith(got), "proxy.upstream");
    await strict.end();
    const own = { ...usual, hosts: ["evil.local"] };
    const unknown = await RunningProxy.start({ ...rules, allowed: [own] }, { given: { names } });
    assert.equal(
      refusedWith(await curl(unknown, `https://evil.local:${wrong}/`)),
      "proxy.upstream",
    );
    await unknown.end();
  });
});
