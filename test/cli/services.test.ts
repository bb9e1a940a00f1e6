import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import * as z from "zod";
import { toolOutput, type SessionRecord, type ToolOutput } from "../../src/core/records.ts";
import { botToken, githubToken, teamServer, wikiToken } from "../services/teamServer.ts";
import { whyNoBubblewrap } from "../sandbox/bubblewrapPlace.ts";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";
import { ownProgram } from "./ownProgram.ts";
import type { Reply } from "./scriptedServer.ts";

const place = new Cairn();
after(() => place.remove());
const cairn = new Cairn(await ownProgram(place.place, "ownServices"));
after(() => cairn.remove());
const team = await teamServer();
after(async () => team.close());

const set = async (name: string, value: string): Promise<void> => {
  const done = await cairn.run(["secrets", "set", name], { stdin: value });
  assert.equal(done.code, 0, done.stderr);
};

const { url } = team;
const wiki = { url, decision: "allow" };

function service(id: string, name: string, args: object) {
  return { id, tool: "exec_service", args: { service: name, args } };
}

function profile(name: string, allowedServices: object, more: object = {}): readonly string[] {
  const path = place.json(`${name}.json`, { name, apply: "onRequest", allowedServices, ...more });
  return ["--goal", "look and publish", "--profile", path];
}

function outcome(records: readonly SessionRecord[], call: string): ToolOutput {
  const done = records.findLast(
    (record) => record.kind === "step.completed" && record.step === `turn/1/tool/${call}`,
  );
  assert.ok(done?.kind === "step.completed", `${call} has an outcome`);
  return toolOutput.parse(done.output);
}

suite("typed services in a session of their own", () => {
  let records: readonly SessionRecord[] = [];
  let desk: Desk;

  test("a missing secret is named before anything starts", async () => {
    const other = await Desk.open(cairn, []);
    const allowed = profile("missing", { publish_summary: { url } });
    const { code, stderr } = await other.start([...allowed, "--sandbox", "docker"]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /The secret bot-token is not set, and the service publish_summary needs it/,
    );
    assert.deepEqual(await cairn.sessions(other.workspace), []);
  });

  test("OS facts by exec (sandbox lines), lookup_wiki and publish_summary by exec_service (no sandbox lines, proxy idle)", async () => {
    await Promise.all([set("wiki-token", wikiToken), set("bot-token", botToken)]);
    desk = await Desk.open(cairn, [
      { text: "", calls: [{ id: "os", tool: "exec", args: { command: "echo $((6 * 7))" } }] },
      { text: "", calls: [service("look", "lookup_wiki", { page: "durability" })] },
      {
        text: "",
        calls: [
          service("post", "publish_summary", { webhook_id: "team", summary: "All is well." }),
        ],
      },
      { text: "Published." },
    ]);
    const run = await desk.start([
      ...profile("scenario", {
        lookup_wiki: wiki,
        publish_summary: { url, decision: "allow" },
      }),
      ...((await whyNoBubblewrap()) === null ? ["--sandbox", "bubblewrap"] : []),
    ]);
    assert.equal(run.code, 0, run.stderr);
    records = await desk.records();
    assert.deepEqual(desk.commands, ["echo $((6 * 7))"]);
    assert.match(outcome(records, "os").text, /42/);
    assert.equal(outcome(records, "look").text, "Durability\n\nRecords come first.");
    assert.deepEqual(team.posted, [{ to: "team", body: "All is well." }]);
    assert.doesNotMatch(run.stderr, /proxy/);
  });

  test("Result line: `Published <message_id> at <posted_at>: …`", () => {
    const { text } = outcome(records, "post");
    assert.equal(text, "Published m-1 at 2026-11-21T12:00:00Z: All is well.");
  });

  test("no secret of a service is in a record, and no service's secret was told to the model", () => {
    const told = JSON.stringify(desk.server.asked);
    for (const secret of [wikiToken, botToken]) {
      assert.ok(!JSON.stringify(records).includes(secret));
      assert.ok(!told.includes(secret));
    }
  });

  test("a replay serves recorded results, and nothing is posted again", async () => {
    const before = team.received.length;
    const [session] = records.map((record) => record.session);
    const replayed = await desk.do(["replay", session ?? ""]);
    assert.equal(replayed.code, 0, replayed.stderr);
    assert.equal(team.received.length, before);
  });
});

suite("what a session is told when a service cannot", () => {
  let records: readonly SessionRecord[] = [];
  let desk: Desk;
  const text = (call: string): string => outcome(records, call).text;

  test("Upstream 401, 500, timeout (5 s): typed results, the turn goes on", async () => {
    const look = (id: string) => service(id, "lookup_wiki", { page: id });
    const post = (id: string, args: object) => service(id, "publish_summary", args);
    const calls = [
      ...["failing", "slow", "echo", "shape", "none", "busy", "moved", "page", "large"].map(look),
      post("posted", { webhook_id: "team", summary: "s" }),
      service("bad", "lookup_wiki", { page: "../secret", more: 1 }),
      service("missing", "lookup_wiki", {}),
      service("hook", "hooked", {}),
      service("odd", "miscount", { text: "one two" }),
    ];
    desk = await Desk.open(cairn, [
      { text: "", calls },
      { text: "", calls: [look("refusing"), look("long"), look("cut")] },
      { text: "I go on." },
    ] satisfies Reply[]);
    const run = await desk.start(profile("failing", { lookup_wiki: wiki, miscount: {} }));
    assert.equal(run.code, 0, run.stderr);
    records = await desk.records();
    assert.equal(await desk.output(), "I go on.");
    assert.match(text("failing"), /It failed \(500\).* \[service\.unavailable\]$/);
    assert.match(text("slow"), /did not answer within 5 s\. \[service\.timeout\]$/);
    assert.match(text("none"), /no such thing \(404\).*\[service\.notFound\]$/);
    assert.match(text("busy"), /Try again in 7 s\. \[service\.rateLimited\]$/);
    assert.match(text("shape"), /another shape than expected\. \[service\.malformed\]$/);
    assert.match(text("page"), /not with JSON\. \[service\.malformed\]$/);
    assert.match(text("large"), /more than 1 MB.*\[service\.malformed\]$/);
    assert.match(
      text("moved"),
      /redirect \(302\), which is not followed\. \[service\.malformed\]$/,
    );
    assert.match(text("cut"), /ended before its answer\. \[service\.unavailable\]$/);
    const code = z.object({ failure: z.object({ code: z.string() }) });
    assert.equal(code.parse(outcome(records, "slow").data).failure.code, "service.timeout");
  });

  test("an upstream that echoes the credential: neither the model nor a record has it", () => {
    assert.match(text("echo"), /^Echo\n\nYou sent Bearer \[redacted/);
    assert.match(
      text("refusing"),
      /It refused the request \(422\).*redacted.*\[service\.rejected\]$/,
    );
    assert.ok(!JSON.stringify(records).includes(wikiToken));
  });

  test("a result that is longer than a model wants is cut, and says so", () => {
    assert.match(text("long"), /\[cut after 40000 characters of 100006; ask for less\]$/);
  });

  test("Remove `publish_summary` from `allowed_services`: gone from the tool's description, a call is refused with the allowed list", () => {
    assert.equal(
      text("posted"),
      "The service publish_summary is not allowed. Allowed are: lookup_wiki, miscount. Nothing ran.",
    );
    assert.match(text("hook"), /^The service hooked is not allowed\./);
    assert.doesNotMatch(JSON.stringify(desk.server.asked[0]?.tools), /publish_summary/);
  });

  test("Bad arguments: field errors to the model, the handler does not run", () => {
    assert.match(text("bad"), /do not fit\. Nothing ran\.[^]*is the name of a page[^]*at page/);
    assert.match(text("bad"), /Unrecognized key: "more"/);
    assert.match(text("missing"), /at page/);
    assert.ok(team.received.every(({ path }) => !path.includes("secret")));
  });

  test("A handler that returns another shape than declared: a typed error naming the service", () => {
    assert.match(
      text("odd"),
      /The service miscount gave back another shape.*\[service\.invalid\]$/s,
    );
  });

  test("Upstream 401: the model is told that only the user can mend it", async () => {
    const replies = [{ text: "", calls: [service("look", "lookup_wiki", { page: "durability" })] }];
    const other = await Desk.open(cairn, [...replies, { text: "Without it." }]);
    await set("wiki-token", "wrong-0123456789");
    const run = await other.start(profile("wrong", { lookup_wiki: wiki }));
    assert.equal(run.code, 0, run.stderr);
    const { text: told } = outcome(await other.records(), "look");
    assert.match(told, /does not accept the credential \(401\).*\[service\.unauthorized\]$/);
  });
});

suite("the demo of services", () => {
  test("reads the demo's wiki and publishes after a yes, in another process, with no secret set", async () => {
    const empty = new Cairn();
    after(() => empty.remove());
    const desk = await Desk.open(empty, []);
    const goal = ["--goal", "What does the wiki say of durability? Publish it."];
    const asked = await desk.do(["run", "--demo", "--sandbox", "embedded", ...goal]);
    assert.equal(asked.code, 3, asked.stderr);
    const { session, waits } = await desk.session();
    const done = await desk.do(["answer", session, waits[0]?.wait ?? "", "approve"]);
    assert.equal(done.code, 0, done.stderr);
    assert.match(await desk.output(), /^Published demo-1 at \d{4}-\d\d-\d\dT.*: What is recorded/);
    const look = (await desk.records()).find(
      (one) => one.kind === "step.completed" && one.name === "exec_service",
    );
    assert.match(JSON.stringify(look), /A call that may have happened is asked about/);
  });
});

suite("killed between the request and the record of publish_summary", () => {
  const post = service("post", "publish_summary", { webhook_id: "ops", summary: "Killed." });
  const count = (): number => team.posted.filter(({ to }) => to === "ops").length;
  const keys = (): readonly string[] =>
    team.received.filter(({ path }) => path.includes("ops")).map(({ key }) => key);

  test("Crash between the request and the record of `publish_summary`: in doubt; the mock's count stays 1 unless the operator says run again; the idempotency key is the same", async () => {
    team.honoursKeys = false;
    const desk = await Desk.open(cairn, [{ text: "", calls: [post] }, { text: "Posted." }]);
    const asked = await desk.start(profile("killed", { publish_summary: { url } }));
    assert.equal(asked.code, 3, asked.stderr);
    const { session, waits } = await desk.session();
    assert.deepEqual(waits, [{ wait: "turn/1/tool/post/approval", suggested: "approve" }]);

    const answer = ["answer", session, "turn/1/tool/post/approval", "approve"];
    const killed = await desk.do(answer, {
      onStarted: (kill) => (team.onPosted = kill),
    });
    team.onPosted = () => {};
    assert.equal(killed.signal, "SIGKILL");
    assert.equal(count(), 1);

    const resumed = await desk.do(["resume", session]);
    assert.equal(resumed.code, 3, resumed.stderr);
    assert.match(resumed.stdout, /may have happened/);
    assert.equal(count(), 1);
    const again = await desk.do(["answer", session, "turn/1/tool/post/inDoubt/1", "again"]);
    assert.equal(again.code, 0, again.stderr);
    assert.equal(count(), 2);
    assert.equal(keys().length, 2);
    assert.match(keys()[0] ?? "", /^[0-9a-f]{64}$/);
    assert.equal(new Set(keys()).size, 1);
  });
});

suite("killed between the request and the record of a GitHub issue", () => {
  test("is in doubt, is found again by its mark, and stays one issue", async () => {
    const given = { action: "create", repository: "o/r", title: "Bug", body: "It is wrong." };
    const call = service("issue", "team_issue", given);
    const desk = await Desk.open(cairn, [{ text: "", calls: [call] }, { text: "Reported." }]);
    const environment = { OPENAI_API_KEY: "sk-test-0123456789abcdef", TEAM_URL: url };
    const asked = await desk.start(profile("issues", { team_issue: {} }), { environment });
    assert.equal(asked.code, 3, asked.stderr);
    assert.match(asked.stdout, /: Call team_issue \(create\)\?/);
    const { session } = await desk.session();

    const killed = await desk.do(["answer", session, "turn/1/tool/issue/approval", "approve"], {
      environment,
      onStarted: (kill) => (team.onPosted = kill),
    });
    team.onPosted = () => {};
    assert.equal(killed.signal, "SIGKILL");
    const count = (): number => team.posted.filter(({ to }) => to === "o/r").length;
    assert.equal(count(), 1);

    const resumed = await desk.do(["resume", session], { environment });
    assert.equal(resumed.code, 3, resumed.stderr);
    assert.match(resumed.stdout, /The issue is there: u-0/);
    const wait = { wait: "turn/1/tool/issue/inDoubt/1", suggested: "happened" };
    assert.deepEqual((await desk.session()).waits, [wait]);
    const done = await desk.do(["answer", session, wait.wait, "happened"], { environment });
    assert.equal(done.code, 0, done.stderr);
    assert.equal(outcome(await desk.records(), "issue").text, "Created the issue: u-0");
    assert.equal(count(), 1);
    assert.ok(!JSON.stringify(await desk.records()).includes(githubToken));
  });
});
