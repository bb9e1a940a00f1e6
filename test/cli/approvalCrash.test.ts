import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";
import { ownProgram } from "./ownProgram.ts";

const place = new Cairn();
after(() => place.remove());
const cairn = new Cairn(await ownProgram(place.place));
after(() => cairn.remove());

const lines = (path: string): number => readFileSync(path, "utf8").trim().split("\n").length;
const kinds = async (desk: Desk): Promise<readonly string[]> =>
  (await desk.records()).map((record) => record.kind);

suite("killed after a yes", () => {
  test("before the effect: it runs once, and nothing is asked again", async () => {
    const [sent, died] = [join(cairn.place, "sent-1"), join(cairn.place, "died-1")];
    const desk = await Desk.open(cairn, []);
    const input = JSON.stringify({ sent, died, dies: "before" });
    await desk.start(["--flow", "approvedSend", "--input", input]);
    const { session } = await desk.session();
    const killed = await desk.do(["answer", session, "publish", "approve"]);
    assert.equal(killed.signal, "SIGKILL");
    assert.equal((await kinds(desk)).at(-1), "session.resumed");
    const resumed = await desk.do(["resume", session]);
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.equal(lines(sent), 1);
    const twice = await desk.do(["answer", session, "publish", "approve"]);
    assert.match(twice.stderr, /already answered by .* at \d{4}-\d\d-\d\d .*\[wait\.answered\]/);
    assert.equal(lines(sent), 1);
  });

  test("in the midst of the effect: it is in doubt and asks, and is never done twice by itself", async () => {
    const [sent, died] = [join(cairn.place, "sent-2"), join(cairn.place, "died-2")];
    const desk = await Desk.open(cairn, []);
    const input = JSON.stringify({ sent, died, dies: "during" });
    await desk.start(["--flow", "approvedSend", "--input", input]);
    const { session } = await desk.session();
    const killed = await desk.do(["answer", session, "publish", "approve"]);
    assert.equal(killed.signal, "SIGKILL");
    const resumed = await desk.do(["resume", session]);
    assert.equal(resumed.code, 3, resumed.stderr);
    assert.deepEqual(
      (await desk.session()).waits.map(({ wait }) => wait),
      ["send/inDoubt/1"],
    );
    assert.equal(lines(sent), 1);
    const skipped = await desk.do(["answer", session, "send/inDoubt/1", "skip"]);
    assert.equal(skipped.code, 0, skipped.stderr);
    assert.equal(lines(sent), 1);
  });

  for (const [when, matches, runs] of [
    ["between the answer and the start of a command", /answered by/, 1],
    ["when the command was recorded as started", /turn\/1\/tool\/a: echo/, 1],
  ] as const) {
    test(`${when}: the command leaves its mark once`, async () => {
      const desk = await Desk.open(cairn, [
        { text: "", calls: [{ id: "a", tool: "exec", args: { command: "echo x >> mark" } }] },
        { text: "", calls: [{ id: "b", tool: "exec", args: { command: "wc -l < mark" } }] },
        { text: "Done." },
      ]);
      const profile = place.json("once.json", {
        name: "once",
        defaults: { R1: "ask" },
        apply: "onRequest",
      });
      await desk.start(["--profile", profile, "--goal", "Go."]);
      const { session } = await desk.session();
      const wait = "turn/1/tool/a/approval";
      await desk.do(["answer", session, wait, "approve"], { killWhen: matches });
      let last = await desk.do(["resume", session]);
      if (last.code === 3)
        last = await desk.do(["answer", session, "turn/1/tool/b/approval", "approve"]);
      assert.equal(last.code, 0, last.stderr);
      const told = desk.server.asked.at(-1)?.messages.at(-1)?.content;
      assert.match(told ?? "", new RegExp(`^${runs}\\b`, "m"));
    });
  }
});
