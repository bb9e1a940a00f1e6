import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import * as z from "zod";
import type { JsonValue } from "../../src/core/records.ts";
import type { Service, ServiceHands } from "../../src/core/service.ts";
import { githubIssue } from "../../src/services/githubIssue.ts";
import { lookupWiki } from "../../src/services/lookupWiki.ts";
import { noEditor } from "../../src/services/noEditor.ts";
import { publishSummary } from "../../src/services/publishSummary.ts";
import { serviceHttp } from "../../src/services/serviceHttp.ts";
import { workspaceDiagnostics } from "../../src/services/workspaceDiagnostics.ts";
import { botToken, githubToken, teamServer, wikiToken } from "./teamServer.ts";

const team = await teamServer();
after(async () => team.close());
const { signal } = new AbortController();
const key = "0123456789abcdef".repeat(4);

function hands(address: string | null = team.url, idempotencyKey = key): ServiceHands {
  return {
    secret: async (name) => (name === "bot-token" ? botToken : wikiToken),
    idempotencyKey,
    signal,
    http: serviceHttp(address, { idempotencyKey, signal }),
  };
}

function prepared(service: Service, args: JsonValue) {
  const call = service.prepare(args);
  if ("refused" in call) assert.fail(call.refused);
  return call;
}

suite("publish_summary", () => {
  test("`webhook_id` must match `^[A-Za-z0-9._-]{1,64}$`", () => {
    for (const [hook, fits] of [
      ["team", true],
      ["A-z.0_9", true],
      ["x".repeat(64), true],
      ["x".repeat(65), false],
      ["", false],
      ["a/b", false],
      ["a b", false],
      ["team\n", false],
      ["tëam", false],
      ["team?x=1", false],
      ["%2e%2e", false],
    ] as const) {
      const call = publishSummary.prepare({ webhook_id: hook, summary: "s" });
      assert.equal("refused" in call, !fits, hook);
      if ("refused" in call) assert.match(call.refused, /must match .*\n.*at webhook_id/);
    }
  });

  test("a webhook that would lead out of its address is not called", async () => {
    const before = team.received.length;
    const call = prepared(publishSummary, { webhook_id: "..", summary: "s" });
    await assert.rejects(call.run(hands()), { code: "service.rejected" });
    assert.equal(team.received.length, before);
  });

  test("the same key twice is one message where the service honours it", async () => {
    const call = prepared(publishSummary, { webhook_id: "once", summary: "s" });
    const [first, second] = [await call.run(hands()), await call.run(hands())];
    assert.deepEqual(first, second);
    assert.equal(team.posted.filter(({ to }) => to === "once").length, 1);
    assert.deepEqual(
      team.received.filter(({ path }) => path.includes("once")).map((one) => one.key),
      [key, key],
    );
  });
});

suite("the way to a service", () => {
  test("goes to the address that was given and below it, whatever the arguments are", async () => {
    const { http } = hands(`${team.url}/snippets/?x=1#y`);
    const send = async (...path: readonly string[]) =>
      http.send(
        { method: "GET", path, headers: { authorization: `Bearer ${wikiToken}` } },
        z.object({ title: z.string() }),
      );
    assert.deepEqual(await send("durability"), { title: "Durability" });
    for (const name of ["//evil.example", "@evil.example", "a?b#c", "https://evil.example"]) {
      await assert.rejects(send(name), { code: "service.notFound" }, name);
    }
    for (const name of ["..", ".", ""]) {
      await assert.rejects(send("durability", name), { code: "service.rejected" }, name);
    }
    assert.ok(team.received.slice(-5).every(({ path }) => path.startsWith("/snippets/")));
  });

  test("a call without an effect carries no key", async () => {
    await prepared(lookupWiki, { page: "durability" }).run(hands(team.url, ""));
    assert.equal(team.received.at(-1)?.key, "");
  });

  test("a host that cannot be reached was sent nothing", async () => {
    const call = prepared(publishSummary, { webhook_id: "team", summary: "s" });
    const gone = await teamServer();
    await gone.close();
    await assert.rejects(call.run(hands(gone.url)), {
      code: "service.unavailable",
      details: { done: false },
      message: "It cannot be reached (ECONNREFUSED).",
    });
  });

  test("a stop is a stop, and no failure of the service", async () => {
    const stop = new AbortController();
    const http = serviceHttp(team.url, { idempotencyKey: key, signal: stop.signal });
    const pending = prepared(lookupWiki, { page: "slow" }).run({ ...hands(), http });
    setTimeout(() => stop.abort(new Error("stopped")), 20);
    await assert.rejects(pending, { message: "stopped" });
  });
});

suite("github_issue", () => {
  const issues = githubIssue({ api: () => team.url, token: async () => githubToken });

  test("creates and comments, and leaves a mark by which it is found again", async () => {
    const create = { action: "create", repository: "o/r", title: "A bug", body: "It fails." };
    const call = prepared(issues, create);
    const own = hands(team.url, "a".repeat(64));
    const absent = await call.observe?.(own);
    assert.equal(absent?.seen, "absent");
    const made = await call.run(own);
    assert.match(made.text, /^Created the issue: https:\/\/github\.example\/o\/r\/issues\/\d+$/);
    const seen = await call.observe?.(own);
    assert.equal(seen?.seen, "happened");
    assert.match(seen?.result?.text ?? "", /^Created the issue: /);
    const other = await call.observe?.(hands(team.url, "f".repeat(64)));
    assert.equal(other?.seen, "absent");
    const comment = prepared(issues, { action: "comment", repository: "o/r", issue: 1, body: "b" });
    assert.match(
      (await comment.run(hands(team.url, "b".repeat(64)))).text,
      /^Commented on the issue: /,
    );
    assert.equal(team.received.at(-1)?.path, "/repos/o/r/issues/1/comments");
  });

  test("takes a repository as owner/name and nothing that leads elsewhere", () => {
    for (const repository of ["o", "o/r/s", "../r", "o/..", "o/.", "o/r?x", "-o/r", "o/r\n"]) {
      const call = issues.prepare({ action: "create", repository, title: "t", body: "" });
      assert.ok("refused" in call, repository);
    }
  });
});

suite("what the editor knows", () => {
  test("a service of the editor says in a terminal that it needs one", async () => {
    const call = prepared(workspaceDiagnostics(noEditor), {});
    await assert.rejects(call.run(hands(null)), { code: "service.unavailable" });
  });

  test("a file that a model names lies in the folder", () => {
    const service = workspaceDiagnostics(noEditor);
    for (const path of ["/etc/passwd", "../x", "a/../b", "a//b", "a\\b", "", "a\0b", "./a"]) {
      assert.ok("refused" in service.prepare({ path }), path);
    }
    assert.ok(!("refused" in service.prepare({ path: "src/a b.ts" })));
  });

  test("problems come worst first, as many as a model reads, and the rest is counted", async () => {
    const problem = (severity: "error" | "hint", line: number) => ({
      path: "a.ts",
      line,
      column: 1,
      severity,
      message: "m\nn",
      source: "ts",
      code: "2304",
    });
    const many = Array.from({ length: 250 }, (_, index) => problem("hint", index + 1));
    const problems = async () => [...many, problem("error", 999)];
    const call = prepared(workspaceDiagnostics({ ...noEditor, problems }), {});
    const lines = (await call.run(hands(null))).text.split("\n");
    assert.equal(lines[0], "a.ts:999:1: error: m n [ts 2304]");
    assert.equal(lines.length, 201);
    assert.equal(lines.at(-1), "[51 more; ask for less]");
  });
});
