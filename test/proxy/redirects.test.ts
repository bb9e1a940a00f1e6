import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { RunningProxy } from "./runningProxy.ts";
import { curl, listening, plainHost, ruleFor, secureHost } from "./world.ts";

const secret = "s3cr3t-that-stays-at-its-own-host";

/** Case I5-05: the client follows, and each step of it is a request of its own. */
test("a redirect goes back as it is, and where it leads is decided anew, without a header of its rule", async (t) => {
  const seen: IncomingMessage[] = [];
  let [plain, secure]: [number, number] = [0, 0];
  const places: Readonly<Record<string, () => string>> = {
    "/metadata": () => "http://169.254.169.254/latest/meta-data/",
    "/file": () => "file:///etc/passwd",
    "/elsewhere": () => `https://other.test:${secure}/a`,
    "/unknown": () => `https://nobody.test:${secure}/a`,
    "/path": () => `https://api.test:${secure}/admin`,
    "/up": () => `https://api.test:${secure}/v1/../../admin`,
    "/down": () => `http://api.test:${plain}/v1/a`,
    "/loop": () => `https://api.test:${secure}/v1/loop`,
    "/closer": () => `http://127.0.0.1:${plain}/v1/a`,
  };
  const take = (message: IncomingMessage): string | null => {
    seen.push(message);
    return places[message.url?.replace("/v1", "") ?? ""]?.() ?? null;
  };
  secure = await listening(
    t,
    secureHost((message, answer) => {
      const place = take(message);
      if (place === null) answer.end("there");
      else answer.writeHead(302, { Location: place }).end();
    }),
  );
  plain = await listening(
    t,
    plainHost((message, answer) => {
      take(message);
      answer.end("there");
    }),
  );
  const headers = { Authorization: "Bearer {{ api }}" };
  const named = ["api.test", "other.test", "nobody.test"].map((name) => [name, [["127.0.0.1"]]]);
  const proxy = await RunningProxy.start(
    {
      allowed: [
        ruleFor("api.test", secure, { headers, paths: ["/v1/"] }),
        ruleFor("other.test", secure),
        ruleFor("169.254.169.254", 80, { scheme: "http", name: "metadata" }),
      ],
      denied: [],
      secrets: { api: secret },
    },
    { given: { names: Object.fromEntries(named) } },
  );
  t.after(() => proxy.end());

  /** Follows, and looks at each step: where it went or why it did not, and who saw the secret. */
  async function follows(
    path: string,
    wanted: readonly string[],
    ...words: readonly string[]
  ): Promise<void> {
    seen.length = 0;
    const from = proxy.reports.length;
    const usual = ["-L", "--max-redirs", "5", "--location-trusted", "-H", "Authorization: mine"];
    const url = `https://api.test:${secure}/v1${path}`;
    const got = await curl(proxy, ...usual, ...words, url);
    // A report comes when its answer has gone.
    const last = await proxy.nextReport(from + wanted.length - 1);
    assert.equal(last, proxy.reports.at(-1));
    const steps = proxy.reports.slice(from).map(({ refused, request }) => refused ?? request?.host);
    assert.deepEqual(steps, wanted);
    const trusted = seen.filter(({ headers: sent }) => sent.authorization === `Bearer ${secret}`);
    assert.equal(
      trusted.every(({ headers: sent }) => sent.host === `api.test:${secure}`),
      true,
    );
    assert.equal(proxy.spoken.includes(secret), false);
    assert.equal(`${got.head}${got.body}`.includes(secret), false);
  }

  await follows("/metadata", ["api.test", "proxy.address"]);
  await follows("/file", ["api.test"]);
  await follows("/unknown", ["api.test", "proxy.noRule"]);
  await follows("/path", ["api.test", "proxy.notCovered"]);
  await follows("/up", ["api.test", "proxy.malformed"], "--path-as-is");
  await follows("/down", ["api.test", "proxy.noRule"]);
  await follows("/closer", ["api.test", "proxy.noRule"]);
  await follows(
    "/loop",
    Array.from({ length: 6 }, () => "api.test"),
  );
  await follows("/elsewhere", ["api.test", "other.test"]);
  assert.equal(seen.at(-1)?.headers.host, `other.test:${secure}`);
  assert.equal(seen.at(-1)?.headers.authorization, "mine");
});
