import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, readlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { whyNoBubblewrap } from "../sandbox/bubblewrapPlace.ts";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";

const cairn = new Cairn();
after(() => cairn.remove());
const skip = (await whyNoBubblewrap()) ?? false;

/** Asks the proxy for something, so that its process starts, and stays. */
const asksAndStays =
  'exec 3<>/dev/tcp/127.0.0.1/3128; printf "GET http://nowhere.example/ HTTP/1.1\\r\\nHost: nowhere.example\\r\\n\\r\\n" >&3; head -n 1 <&3; sleep 600';

/** What lies under a directory, as paths from there. */
function below(path: string): readonly string[] {
  return existsSync(path) ? readdirSync(path, { recursive: true, encoding: "utf8" }) : [];
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const giveUpAt = performance.now() + 20_000;
  while (!holds()) {
    assert.ok(performance.now() < giveUpAt, what);
    await sleep(50);
  }
}

/** Processes of this machine whose command line has a text in it, or whose directory is below it. */
function processesAbout(text: string): readonly string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/u.test(pid) || Number(pid) === process.pid) return [];
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      const directory = readlinkSync(`/proc/${pid}/cwd`);
      return line.includes(text) || directory.includes(text) ? [`${pid} ${line}`] : [];
    } catch {
      return [];
    }
  });
}

test(
  "a killed process leaves sockets and pipes that nobody listens on, no process, and the next start removes them",
  { skip },
  async () => {
    const desk = await Desk.open(cairn, [
      { text: "", calls: [{ id: "a", tool: "exec", args: { command: asksAndStays } }] },
      { text: "Done." },
    ]);
    const sessions = join(cairn.home, "sessions");
    const sockets = (): readonly string[] =>
      below(sessions)
        .flatMap((path) => /\/([a-z0-9-]+\.sock)$/u.exec(path)?.[1] ?? [])
        .toSorted();
    let kill = (): void => {};
    const running = desk.start(["--goal", "Go.", "--sandbox", "bubblewrap"], {
      onStarted: (stop) => (kill = stop),
    });
    await until(() => sockets().length === 3, "the proxy listens");
    assert.ok(processesAbout(cairn.place).some((line) => line.includes("proxy.js")));
    const pipes = below(sessions).filter((path) => /\/pipes-\d+-[^/]*$/u.test(path));
    assert.equal(pipes.length, 1);
    const status = below(join(cairn.home, "run"));
    assert.equal(status.length, 1);
    kill();
    assert.equal((await running).signal, "SIGKILL");
    await until(() => processesAbout(cairn.place).length === 0, "no process of it is left");
    assert.deepEqual(sockets(), ["door.sock", "proxy.sock"], "nobody was there to remove them");

    assert.equal((await desk.do(["sessions"])).code, 0);
    const left = below(sessions).filter((path) => /(?:\.sock|pem)$|\/pipes-|\/proxy-/u.test(path));
    assert.deepEqual(left, []);

    const old = new Date(Date.now() - 60_000);
    for (const name of status) utimesSync(join(cairn.home, "run", name), old, old);
    assert.equal((await desk.do(["status"])).code, 0);
    assert.deepEqual(below(join(cairn.home, "run")), []);
  },
);
