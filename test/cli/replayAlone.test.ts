import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { command } from "../harness/command.ts";
import { whyNoBubblewrap } from "../sandbox/bubblewrapPlace.ts";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";

const cairn = new Cairn();
after(() => cairn.remove());
const built = new URL("../../dist/cli.js", import.meta.url).pathname;
const noTracer = existsSync("/usr/bin/strace") ? false : "strace is not installed";
const skip = (await whyNoBubblewrap()) ?? noTracer;

test(
  "a recorded session is shown, explained, compared, exported and replayed with no program started and no connection made",
  { skip },
  async () => {
    const write = { id: "write", tool: "exec", args: { command: "echo new > made.txt; ls /usr" } };
    const ask = { id: "ask", tool: "ask_question", args: { question: "Well?" } };
    const desk = await Desk.open(cairn, [
      { text: "", calls: [write] },
      { text: "", calls: [ask] },
      { text: "Done." },
    ]);
    const started = await desk.start(["--goal", "Go", "--sandbox", "bubblewrap"]);
    assert.equal(started.code, 3, started.stderr);
    const { session } = await desk.session();
    const ran = await desk.do(["answer", session, "turn/1/tool/ask/answer", "yes"]);
    assert.equal(ran.code, 3, ran.stderr);
    assert.equal(
      (await desk.do(["answer", session, "apply/proposed/approval", "approve"])).code,
      0,
    );
    // The model is gone, and so would be every engine.
    await desk.server.close();

    const trace = join(cairn.place, "trace");
    const env = {
      PATH: process.env["PATH"],
      CAIRN_HOME: cairn.home,
      DOCKER_HOST: "unix:///nowhere",
    };
    const traced = ["-f", "-e", "trace=execve,connect", "-o", trace, process.execPath, built];
    const look = async (...args: readonly string[]): Promise<string> => {
      const all = [...traced, ...args, "--workspace", desk.workspace];
      const { code, output } = await command("strace", all, { env });
      assert.equal(code, 0, output);
      const calls = readFileSync(trace, "utf8").split("\n");
      const programs = calls.filter((call) => call.includes("execve("));
      assert.equal(programs.length, 1, programs.join("\n"));
      assert.deepEqual(
        calls.filter((call) => /connect\(.*AF_INET/u.test(call)),
        [],
      );
      return output;
    };
    assert.match(await look("show", session), /made\.txt/);
    await look("explain", session, "turn/1/tool/write");
    assert.match(await look("diff", session, "start", "turn/1/tool/write"), /\+new/);
    await look("export", session, "--out", join(cairn.place, "bundle"));
    assert.match(await look("replay", session), /Done\./);
  },
);
