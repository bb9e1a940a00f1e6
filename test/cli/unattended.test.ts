import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";
import { ownProgram } from "./ownProgram.ts";

const place = new Cairn();
after(() => place.remove());
const cairn = new Cairn(await ownProgram(place.place));
after(() => cairn.remove());

const tools = ["write_file", "edit_file", "read_file", "list_files", "search", "skill"];
const profile = place.json("asks.json", {
  name: "asks",
  tools: ["exec", ...tools, "ask_question"],
  defaults: { R0: "ask", R1: "ask" },
  rules: { ask_question: "allow" },
});

const asking = [
  ["exec", { command: "npm test" }],
  ["exec", { command: "npm test $(touch ran)" }],
  ["write_file", { path: "a.txt", content: "x" }],
  ["edit_file", { path: "a.txt", old: "x", new: "y" }],
  ["read_file", { path: "a.txt" }],
  ["list_files", {}],
  ["search", { pattern: "x" }],
  ["skill", { action: "list" }],
  ["ask_question", { question: "Which one?" }],
] as const;

suite("unattended, each of twelve actions that would be asked about is denied", () => {
  test("nine calls of tools: nothing runs, the list names each, and the exit code is 4", async () => {
    const asked = asking.map(([tool, args], index) => ({ id: `c${index}`, tool, args }));
    const desk = await Desk.open(cairn, [{ text: "", calls: asked }, { text: "Done." }]);
    const ran = await desk.start(["--profile", profile, "--unattended", "--goal", "Go."]);
    assert.equal(ran.code, 4, ran.stderr);
    const lines = ran.stdout.split("\n").filter((line) => line.startsWith("denied: "));
    assert.deepEqual(
      lines.map((line) =>
        /^denied: (\S+), (\S+): .*Nobody is there to answer\./.exec(line)?.slice(1),
      ),
      asking.map(([tool], index) => [`turn/1/tool/c${index}`, tool]),
    );
    assert.match(ran.stdout, /9 denied/);
    assert.deepEqual(desk.commands, []);
    const waits = (await desk.records()).filter(({ kind }) => kind === "wait.opened");
    assert.deepEqual(waits, []);
  });

  test("three questions of a flow of one's own: it goes on without an answer, and the exit code is 4", async () => {
    const desk = await Desk.open(cairn, []);
    const ran = await desk.start(["--flow", "survey", "--input", "null", "--unattended"]);
    assert.equal(ran.code, 4, ran.stderr);
    const lines = ran.stdout.split("\n").filter((line) => line.startsWith("denied: "));
    assert.deepEqual(lines, [
      "denied: sure, Are you sure?: Nobody is there to answer.",
      "denied: order, What shall it be?: Nobody is there to answer.",
      "denied: release, Release it?: Nobody is there to answer.",
    ]);
  });
});
