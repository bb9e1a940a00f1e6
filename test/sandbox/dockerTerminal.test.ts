import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { run, text } from "../contracts/sandbox.ts";
import { startEngine, type TestEngine } from "../harness/engine.ts";
import { dockerPlace } from "./dockerPlace.ts";

const started = await startEngine();
if ("skipped" in started) {
  test("a terminal in a container", { skip: started.skipped });
} else {
  after(async () => started.stop());
  terminals(started);
}

const size = "python3 -c 'import os; print(os.get_terminal_size())'";

function terminals(engine: TestEngine): void {
  async function open() {
    const place = await dockerPlace(engine);
    after(async () => place.close());
    await run(place.sandbox, "word=agent");
    let shown = "";
    const over = new AbortController();
    const terminal = await place.sandbox.terminal({
      columns: 100,
      rows: 30,
      show: (bytes) => (shown += text(bytes)),
      ended: () => over.abort(),
    });
    assert.ok(terminal !== null);
    const until = async (what: RegExp): Promise<void> => {
      for (let n = 0; n < 200 && !what.test(shown); n += 1) await sleep(50);
      assert.match(shown, what);
    };
    const end = async (): Promise<void> => {
      for (let n = 0; n < 200 && !over.signal.aborted; n += 1) await sleep(50);
      assert.ok(over.signal.aborted, "it ended");
    };
    return { ...place, terminal, until, end };
  }

  test("a person's shell is beside the agent's, in the same files and within the same walls", async () => {
    const { sandbox, terminal, until, tree } = await open();
    await until(/sandbox:\/workspace\$ $/);
    terminal.write(`${size}; echo mine > file; word=person; id -u; touch /root 2>&1\r`);
    await until(/columns=100, lines=30\)\r\n[1-9]\d*\r\n.*touch: /s);
    assert.equal(await readFile(join(tree, "file"), "utf8"), "mine\n");
    assert.equal(text((await run(sandbox, "echo $word; cat file")).stdout), "agent\nmine\n");
    terminal.resize(50, 10);
    terminal.write(`${size}\r`);
    await until(/columns=50, lines=10/);
    terminal.close();
  });

  test("the terminal says that it ended, by exit and by the end of the sandbox", async () => {
    const first = await open();
    first.terminal.write("exit\r");
    await first.end();
    assert.equal(text((await run(first.sandbox, "echo on")).stdout), "on\n");
    const second = await open();
    await second.sandbox.stop();
    await second.end();
  });

  test("a terminal that is closed leaves no process behind", async () => {
    const { sandbox, terminal, until } = await open();
    terminal.write("sleep 1234 &\r");
    await until(/\[1\] \d+/);
    terminal.close();
    let left = "";
    for (let n = 0; n < 100 && left !== "0\n"; n += 1) {
      await sleep(50);
      left = text((await run(sandbox, "pgrep -c -f 'sleep 123[4]'")).stdout);
    }
    assert.equal(left, "0\n");
  });

  test("where nothing runs there is no terminal", async () => {
    const place = await dockerPlace(engine);
    const screen = { columns: 80, rows: 24, show: () => {}, ended: () => {} };
    assert.equal(await place.sandbox.terminal(screen), null);
    await place.close();
  });
}
