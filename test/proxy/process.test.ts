import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { EgressRules } from "../../src/core/egress.ts";
import type { SandboxProxyRule } from "../../src/core/proxyRule.ts";
import { RunningProxy } from "./runningProxy.ts";

const secret = "s3cr3t-of-the-process-0123456789";

function rulesFor(port: number): EgressRules {
  return {
    allowed: [
      {
        name: "wiki",
        hosts: ["127.0.0.1"],
        scheme: "http",
        ports: [port],
        methods: ["GET"],
        paths: ["/snippets/"],
        headers: { Authorization: "Bearer {{ wiki }}" },
        addresses: ["127.0.0.0/8"],
      },
    ],
    denied: [],
    secrets: { wiki: secret },
  };
}

async function get(socketPath: string, url: string): Promise<{ status: number; body: string }> {
  const asking = request({ socketPath, path: url, headers: { Host: new URL(url).host } });
  asking.end();
  const [answer] = await once(asking, "response");
  let body = "";
  for await (const chunk of answer) body += String(chunk);
  return { status: answer.statusCode, body };
}

test("a proxy on a unix socket lets through what a rule knows, refuses the rest, and ends with its standard input", async (t) => {
  const upstream = createServer((message, answer) => {
    answer.end(`${message.url} ${message.headers.authorization === `Bearer ${secret}`}`);
  });
  upstream.listen(0, "127.0.0.1");
  await once(upstream, "listening");
  t.after(() => upstream.close());
  const address = upstream.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const directory = await mkdtemp(join(tmpdir(), "cairn-proxy-"));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "proxy.sock");
  const proxy = await RunningProxy.start(rulesFor(port), { listen: { kind: "socket", path } });
  t.after(() => proxy.end());

  const there = `http://127.0.0.1:${port}`;
  assert.deepEqual(await get(path, `${there}/snippets/a?b`), {
    status: 200,
    body: "/snippets/a?b true",
  });
  assert.equal((await get(path, `${there}/other`)).status, 403);
  assert.equal((await get(path, "http://example.org/")).status, 403);
  assert.equal((await stat(path)).mode & 0o777, 0o666);

  await t.test("its argv, its environment and what it says hold no secret", async () => {
    const of = `/proc/${proxy.process.pid ?? 0}`;
    for (const name of ["cmdline", "environ"]) {
      assert.equal((await readFile(join(of, name), "latin1")).includes(secret), false);
    }
    assert.equal(proxy.spoken.includes(secret), false);
  });

  await t.test("new rules hold as soon as it says so", async () => {
    const none = { allowed: [], denied: [], secrets: {} };
    assert.deepEqual(await proxy.tell({ kind: "rules", rules: none }), { kind: "ruled" });
    assert.equal((await get(path, `${there}/snippets/a`)).status, 403);
  });

  assert.equal(await proxy.end(), 0);
  await assert.rejects(stat(path), { code: "ENOENT" });
  assert.deepEqual(
    proxy.reports.map(({ refused, rule, injected }) => ({ refused, rule, injected })),
    [
      { refused: null, rule: "wiki", injected: ["Authorization"] },
      { refused: "proxy.notCovered", rule: "wiki", injected: [] },
      { refused: "proxy.noRule", rule: null, injected: [] },
      { refused: "proxy.noRule", rule: null, injected: [] },
    ],
  );
});

test("a rule that asks for what no rule may ends the proxy at its start, and the sentence names it", async () => {
  const usual = rulesFor(80);
  const [rule] = usual.allowed;
  assert.notEqual(rule, undefined);
  if (rule === undefined) return;
  const wrong: readonly (readonly [Partial<SandboxProxyRule>, RegExp])[] = [
    [{ addresses: ["169.254.0.0/16"] }, /cannot be opened: name a private[^]*addresses/],
    [{ headers: { Host: "{{ wiki }}" } }, /header that the proxy sets itself[^]*headers/],
  ];
  for (const [more, sentence] of wrong) {
    const asks = { ...rule, ...more };
    await assert.rejects(RunningProxy.start({ ...usual, allowed: [asks] }), sentence);
  }
});
