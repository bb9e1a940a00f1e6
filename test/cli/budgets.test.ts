import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";
import type { Reply } from "./scriptedServer.ts";

const cairn = new Cairn();
after(() => cairn.remove());

const profile = cairn.json("budgets.json", {
  name: "budgets",
  tools: ["exec"],
  rules: { exec: "allow" },
  apply: "onRequest",
  prices: { scripted: { input: 10, cachedInput: 1, output: 100 } },
});

function exec(id: string, command: string): Reply {
  return { text: "", calls: [{ id, tool: "exec", args: { command } }] };
}

const script = [exec("a", "echo a"), exec("b", "echo b"), exec("c", "echo c"), { text: "Done." }];

async function start(replies: readonly Reply[], ...budgets: readonly string[]) {
  const desk = await Desk.open(cairn, replies);
  const flags = budgets.flatMap((budget) => ["--budget", budget]);
  const ran = await desk.start(["--profile", profile, "--goal", "Go.", ...flags]);
  return { desk, ran, session: (await desk.session()).session };
}

suite("budgets", { concurrency: 2 }, () => {
  test("at its budget of model calls a session asks, shows the figures, and a yes adds to it", async () => {
    const { desk, ran, session } = await start(script, "modelCalls=2");
    assert.equal(ran.code, 3, ran.stderr);
    assert.equal(desk.calls, 2);
    const wait = "turn/1/model#3/budget/modelCalls";
    assert.match(ran.stdout, new RegExp(`waiting at ${wait}: 2 model calls used of 2 model calls`));
    assert.match(ran.stdout, /used 2 model calls of 2 model calls; yes adds 2 model calls/);
    assert.match(ran.stdout, /next: another request to the model/);
    assert.match(ran.stderr, new RegExp(`cairn answer .*${session} '${wait}' approve`));
    const yes = await desk.do(["answer", session, wait, "approve"]);
    assert.equal(yes.code, 0, yes.stderr);
    assert.equal(desk.calls, 4);
    assert.equal(await desk.output(), "Done.");
  });

  test("a no stops the session at its budget; retry asks again", async () => {
    const { desk, session } = await start(script, "commands=1");
    const [wait] = (await desk.session()).waits;
    const no = await desk.do(["answer", session, wait?.wait ?? "", "reject: enough"]);
    assert.equal(no.code, 1);
    assert.match(no.stdout, /stopped at its budget: .* Retry asks again\. \[budget\.spent\]/);
    assert.match(no.stderr, new RegExp(`cairn retry .*${session}`));
    assert.deepEqual(desk.commands, ["echo a"]);
    const again = await desk.do(["retry", session]);
    assert.equal(again.code, 3, again.stderr);
    assert.match(again.stdout, /waiting at .*\/budget\/commands/);
    const yes = await desk.do(["answer", session, wait?.wait ?? "", "approve"]);
    assert.match(yes.stdout, /waiting at turn\/1\/tool\/c\/budget\/commands/);
    assert.deepEqual(desk.commands, ["echo a", "echo b"]);
  });

  test("tokens and money are overshot by one call at most, and what was paid is shown", async () => {
    const used = { input: 1000, output: 100 };
    const replies = script.map((reply) => ({ ...reply, usage: used }));
    const tokens = await start(replies, "tokens=1500");
    assert.match(tokens.ran.stdout, /used 2,200 tokens of 1,500 tokens; yes adds 1,500 tokens/);
    assert.equal(tokens.desk.calls, 2);
    const money = await start(replies, "money=0.05");
    assert.match(money.ran.stdout, /used \$0\.0600 of \$0\.0500; yes adds \$0\.0500/);
    assert.equal(money.desk.calls, 3);
    assert.match(money.ran.stderr, /Paid for: 3,000 input and 300 output tokens, \$0\.0600\./);
    const shown = await money.desk.do(["show", money.session]);
    assert.match(shown.stdout, /Paid for: 3,000 input and 300 output tokens, \$0\.0600\.\n$/);
  });

  test("a budget of money for a model without a price is refused before the first call, with what to do", async () => {
    const desk = await Desk.open(cairn, script);
    const ran = await desk.start(["--goal", "Go.", "--budget", "money=1"]);
    assert.equal(ran.code, 1);
    assert.match(ran.stdout, /No price is known for scripted.*prices.*\[budget\.noPrice\]/);
    assert.equal(desk.calls, 0);
  });

  test("the same failing call n times is asked about before it runs once more", async () => {
    const failing = [1, 2, 3].map((time) => exec(`f${time}`, "false"));
    const { desk, ran, session } = await start(
      [...failing, { text: "I give up." }],
      "sameFailure=2",
    );
    assert.equal(ran.code, 3, ran.stderr);
    assert.match(ran.stdout, /This failed 2 times in the same way\. Run it again\?/);
    assert.deepEqual(desk.commands, ["false", "false"]);
    const [wait] = (await desk.session()).waits;
    const no = await desk.do(["answer", session, wait?.wait ?? "", "no"]);
    assert.equal(no.code, 0, no.stderr);
    assert.deepEqual(desk.commands, ["false", "false"]);
    assert.match(
      desk.server.asked.at(-1)?.messages.at(-1)?.content ?? "",
      /failed the same way before, and it was not run again/,
    );
  });

  test("--budget none lifts what the profile limits", async () => {
    const strict = cairn.json("strict.json", { name: "strict", budgets: { modelCalls: 1 } });
    const desk = await Desk.open(cairn, script);
    const limited = await desk.start(["--profile", strict, "--goal", "Go."]);
    assert.match(limited.stdout, /1 model calls used of 1 model calls/);
    const lifted = await desk.start(["--profile", strict, "--goal", "Go.", "--budget", "none"]);
    assert.equal(lifted.code, 0, lifted.stderr);
  });
});
