import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as z from "zod";
import type { SandboxProxyRule } from "../../src/core/proxyRule.ts";
import { denials } from "../../src/core/sessionFacts.ts";
import { subjectLines } from "../../src/core/subjectLines.ts";
import { by, never, says } from "./machine.ts";
import { answer, curl, online, page, told, waits, wire, yes } from "./online.ts";

suite("a request that was refused", () => {
  test("becomes an approval after the command, and once it is allowed the model runs the command again", async () => {
    const { machine, way } = online([curl("a"), curl("b"), curl("c"), says("done")]);
    const session = await machine.start();
    wire(machine, way);
    assert.equal(await session.run(never), "waiting");
    assert.deepEqual(waits(session.records), ["turn/1/tool/a/egress/1"]);
    const [open] = session.view.openWaits;
    assert.ok(open !== undefined);
    assert.deepEqual(subjectLines(open), [
      `GET ${page}`,
      "to wiki.example",
      "It leaves this machine. It is meant to read, and its address and headers may carry what the sandbox holds.",
      `while this ran: curl ${page}`,
      "asked by default",
      `Once is until the next command ends: GET of ${page}, with no header added.`,
    ]);
    assert.deepEqual(way.audited, [
      "GET wiki.example: proxy.noRule, ask, The profile default asks before requests without a rule by default (it leaves this machine).",
    ]);
    assert.equal(await answer(session), "waiting");
    // The command ran again because the model called it, and what was allowed once is over.
    assert.deepEqual(way.passed, [`GET ${page}`]);
    assert.deepEqual(way.renewed, ["", "asked-wiki-example", "", ""]);
    assert.deepEqual(waits(session.records).at(-1), "turn/1/tool/c/egress/1");
    assert.match(
      machine.model.requests[1]?.messages.at(-1)?.text ?? "",
      /^ok\n\[exit 0, in \/workspace\]\n\[The sandbox reaches only what rules allow\. Refused:\nGET https:\S+: proxy\.noRule\. It needs the operator's approval\.\]\nThe operator allows GET https:\S+ now\. Run the command again\.$/,
    );
    assert.deepEqual(
      machine.commands,
      Array.from({ length: 3 }, () => `curl ${page}`),
    );
  });

  test("is answered with a reason, and the same host and method are not asked about again", async () => {
    const { machine, way } = online([
      curl("a"),
      curl("b", `curl ${page}2; post ${page}`),
      says("done"),
    ]);
    const session = await machine.start();
    wire(machine, way);
    await session.run(never);
    assert.equal(await answer(session, { approved: false, note: "use the copy" }), "waiting");
    assert.match(
      told(machine),
      /The operator rejected GET https:\S+: use the copy\. Do without it\.$/,
    );
    assert.deepEqual(waits(session.records).slice(1), ["turn/1/tool/b/egress/1"]);
    assert.equal(session.view.openWaits[0]?.question, `Let POST ${page} leave the sandbox?`);
    await answer(session, { approved: false, note: "" });
    assert.match(
      told(machine),
      /GET https:\S+2 was rejected by the operator before: do without it\.$/,
    );
  });

  test("allowed for this session, or always here, is a rule of exactly scheme, host, port, method and path", async () => {
    for (const [grant, bound] of [
      ["session", { session: "s" }],
      ["always", { folder: "/w" }],
    ] as const) {
      const url = "http://wiki.example:8080/a";
      const { machine, way, rules } = online([
        curl("a", `curl ${url}`),
        curl("b", `curl ${url}`),
        says("done"),
      ]);
      const session = await machine.start();
      wire(machine, way);
      await session.run(never);
      assert.equal(await answer(session, { ...yes, grant }), "completed");
      const [rule] = rules;
      assert.deepEqual(
        { ...rule, id: "" },
        {
          id: "",
          decision: "allow",
          tool: "egress",
          proxy: {
            name: "asked-wiki-example",
            hosts: ["wiki.example"],
            scheme: "http",
            ports: [8080],
            methods: ["GET"],
            paths: ["/a"],
          },
          ...bound,
        },
      );
      assert.deepEqual(way.passed, [`GET ${url}`]);
    }
  });

  test("that a ready rule covers offers that rule as the wider choice, and no other yes gives it", async () => {
    const ready: SandboxProxyRule = {
      name: "npm",
      hosts: ["wiki.example"],
      methods: ["GET", "HEAD"],
      paths: ["/"],
    };
    const { machine, way, rules } = online([curl("a"), curl("b"), says("done")]);
    way.known = {
      near: null,
      ready: { proxy: ready, from: "your npm configuration", whose: "user" },
    };
    const session = await machine.start();
    wire(machine, way);
    await session.run(never);
    const [open] = session.view.openWaits;
    assert.ok(open !== undefined);
    assert.equal(
      subjectLines(open).at(-1),
      "ready rule, from your npm configuration: Allows GET and HEAD of https://wiki.example/ and what is below it, with no header added.",
    );
    await answer(session, { ...yes, grant: "ready" });
    assert.deepEqual(
      rules.map(({ proxy, folder }) => ({ proxy, folder })),
      [{ proxy: ready, folder: "/w" }],
    );

    const plain = online([curl("a"), says("done")]);
    const other = await plain.machine.start();
    wire(plain.machine, plain.way);
    await other.run(never);
    await assert.rejects(answer(other, { ...yes, grant: "ready" }), { code: "wait.invalidAnswer" });
    assert.deepEqual(plain.rules, []);
  });

  test("of a host that a rule knows takes along where that host lies, and no header", async () => {
    const { machine, way } = online([curl("a"), says("done")]);
    const near = {
      name: "n",
      hosts: ["wiki.example"],
      methods: ["GET"],
      paths: ["/"],
      addresses: ["10.0.0.0/8"],
      headers: { "X-Key": "{{ key }}" },
    };
    way.known = { near, ready: null };
    const session = await machine.start();
    wire(machine, way);
    await session.run(never);
    const subject = session.view.openWaits[0]?.subject;
    assert.ok(subject?.kind === "egress");
    assert.deepEqual(subject.proxy?.addresses, ["10.0.0.0/8"]);
    assert.equal(subject.proxy.headers, undefined);
  });

  test("many of one command are at most five cards by host and method, and the rest one line", async () => {
    const urls = Array.from(
      { length: 8 },
      (_, index) => `curl https://h${index % 7}.example/${index}`,
    );
    const { machine, way } = online([curl("a", urls.join("; ")), says("done")]);
    const session = await machine.start();
    wire(machine, way);
    await session.run(never);
    assert.deepEqual(
      session.view.openWaits.map(({ question }) => question),
      [
        "Let GET https://h0.example/0 and GET https://h0.example/7 leave the sandbox?",
        ...[1, 2, 3, 4].map(
          (host) => `Let GET https://h${host}.example/${host} leave the sandbox?`,
        ),
      ],
    );
    for (const index of [5, 3, 1, 2, 4])
      await answer(session, yes, `turn/1/tool/a/egress/${index}`);
    assert.match(told(machine), /GET https:\/\/h5\.example\/5 and 1 more was not asked about/);
    assert.equal(session.view.status, "completed");
  });

  test("that no rule can mend is told with its code and what to do, and nobody is asked", async () => {
    const { machine, way } = online([curl("a", "ls"), says("done")]);
    const session = await machine.start();
    machine.sandbox.onRun = async () => {
      await way.request("GET", page, "proxy.address");
      await way.request("GET", page, "proxy.mismatch");
    };
    assert.equal(await session.run(never), "completed");
    assert.match(told(machine), /proxy\.address\. Its address is not one of the open internet/);
    assert.deepEqual(waits(session.records), []);
  });

  test("before its method was seen offers to read that host, and says so", async () => {
    const { machine, way } = online([curl("a", "tunnel https://wiki.example/"), says("done")]);
    const session = await machine.start();
    wire(machine, way);
    await session.run(never);
    const [open] = session.view.openWaits;
    assert.ok(open !== undefined);
    assert.equal(open.question, "Let a connection to https://wiki.example leave the sandbox?");
    assert.equal(subjectLines(open)[0], "GET, HEAD https://wiki.example/");
    assert.match(
      subjectLines(open).at(-1) ?? "",
      /GET and HEAD of https:\/\/wiki\.example\/ and what is below it/,
    );
  });

  test("is denied and listed where nobody is there, where the profile denies it, and where a rule does", async () => {
    for (const [more, rule, why] of [
      [{ unattended: true }, null, /Nobody is there to answer/],
      [
        {
          name: "offline",
          defaults: { R0: "allow", R1: "allow", R2: "ask", R3: "deny", R4: "ask" },
        },
        null,
        /The profile offline denies requests/,
      ],
      [
        {},
        { id: "no", decision: "deny", tool: "egress", hosts: ["wiki.example"] },
        /Denies every request to wiki\.example/,
      ],
    ] as const) {
      const { machine, way, rules } = online([curl("a"), says("done")]);
      if (rule !== null) rules.push({ ...rule, hosts: [...rule.hosts] });
      const session = await machine.start(more);
      wire(machine, way);
      assert.equal(await session.run(never), "completed");
      const [denied, ...others] = denials(session.records);
      assert.equal(others.length, 0);
      assert.equal(denied?.what, `GET ${page}`);
      assert.match(denied.why, why);
      assert.match(told(machine), /Do without it/);
      const last = session.records.at(-1);
      assert.ok(last?.kind === "session.ended");
      assert.equal(last.denied, 1);
    }
  });

  test("that a rule allows by now is not asked about: the model runs the command again", async () => {
    const { machine, way, rules } = online([curl("a"), curl("b"), says("done")]);
    const session = await machine.start();
    machine.sandbox.onRun = async () => {
      if (await way.request("GET", page)) return;
      // Another window allows it while the command runs.
      await machine.grant(
        [
          {
            id: "w",
            decision: "allow",
            tool: "egress",
            proxy: { name: "w", hosts: ["wiki.example"], methods: ["GET"], paths: ["/"] },
          },
        ],
        by,
        "other",
      );
    };
    assert.equal(await session.run(never), "completed");
    assert.equal(rules.length, 1);
    assert.deepEqual(waits(session.records), []);
    assert.deepEqual(way.passed, [`GET ${page}`]);
  });

  test("with a secret in its address is not asked about, and the model is told why", async () => {
    const secret = "hunter2-hunter2";
    const { machine, way } = online([curl("a", "sh fetch.sh"), says("done")]);
    machine.secrets.register(secret);
    const session = await machine.start();
    machine.sandbox.onRun = async () => {
      await way.request("GET", `https://wiki.example/key/${secret}`);
      await way.request("GET", `https://wiki.example/${"x".repeat(2000)}`);
    };
    assert.equal(await session.run(never), "completed");
    assert.deepEqual(waits(session.records), []);
    const said = told(machine);
    assert.match(
      said,
      /^GET https:\/\/wiki\.example\/key\/\[redacted: known secret\] was not asked about: a secret stands in its address, .* Do without it\.$/m,
    );
    assert.match(
      said,
      /\/x+ was not asked about: no rule can name this address\. Do without it\.$/,
    );
    assert.doesNotMatch(said, /fewer addresses|hunter2/);
  });

  test("is a part of the command's result on record, with what was decided", async () => {
    const { machine, way } = online([curl("a"), says("done")]);
    const session = await machine.start();
    wire(machine, way);
    await session.run(never);
    const step = session.records.find(
      (record) => record.kind === "step.completed" && record.step === "turn/1/tool/a",
    );
    assert.ok(step?.kind === "step.completed");
    const { data } = z.object({ data: z.record(z.string(), z.json()) }).parse(step.output);
    assert.equal(data["exitCode"], 0);
    assert.deepEqual(data["refused"], [
      {
        request: {
          scheme: "https",
          host: "wiki.example",
          port: 443,
          method: "GET",
          path: "/snippets/one",
        },
        code: "proxy.noRule",
        verdict: "ask",
        why: "The profile default asks before requests without a rule by default (it leaves this machine).",
        rule: null,
      },
    ]);
  });
});
