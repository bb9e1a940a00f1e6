import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, suite, test } from "node:test";
import {
  compileShim,
  faultEnvironment,
  IoFaults,
  newControl,
  type Fault,
  type Plan,
} from "../durable/faults/ioFaults.ts";
import { LogPlace } from "./trail.ts";

const shared = new LogPlace();
const library = compileShim(shared.root);
const places: LogPlace[] = [shared];
after(() => places.forEach((place) => place.remove()));

interface Ran {
  readonly place: LogPlace;
  readonly acknowledged: readonly string[];
  readonly refused: readonly string[];
  readonly calls: number;
}

/** Runs the writer to its end or its death, with its disk as the plan says. */
async function run(plan: Plan | null): Promise<Ran> {
  const place = new LogPlace();
  places.push(place);
  for (const folder of [place.directory, place.anchors]) mkdirSync(folder);
  const control = newControl(join(place.root, "control"));
  const faults = new IoFaults(control);
  faults.arm(plan);
  const writer = new URL("faultyWriter.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [writer, place.directory, place.anchors], {
    env: { ...process.env, ...faultEnvironment(library, control, place.root) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said] = await Promise.all([text(child.stdout), once(child, "exit")]);
  const lines = said.split("\n").filter(Boolean);
  const { count: calls } = faults;
  faults.close();
  return {
    place,
    acknowledged: lines.filter((line) => !line.startsWith("refused")),
    refused: lines.filter((line) => line.startsWith("refused")),
    calls,
  };
}

/** What must hold, whatever came: nothing is damaged, and what was acknowledged is there, in order. */
async function holds({ place, acknowledged }: Ran, where: string): Promise<void> {
  const log = place.open();
  const { damage } = await log.verify();
  assert.deepEqual(damage, [], where);
  const kept = (await log.entries()).map(({ what }) => what.replace("number ", ""));
  assert.deepEqual(
    kept.filter((number) => acknowledged.includes(number)),
    acknowledged,
    where,
  );
}

async function entriesIn({ place }: Ran): Promise<number> {
  return (await place.open().entries()).length;
}

suite("whatever the disk does", () => {
  test("a process that is killed at any call leaves a sound log with all that it acknowledged", async () => {
    const { calls } = await run(null);
    assert.ok(calls > 15, `${calls} calls`);
    for (let at = 1; at <= calls; at += 1) {
      const fault: Fault = at % 2 === 0 ? "killBefore" : "killAfter";
      await holds(await run({ fault, at, times: 1 }), `${fault} ${at}`);
    }
  });

  for (const fault of ["ENOSPC", "EIO", "shortWrite"] as const) {
    test(`${fault} at any write or sync refuses an entry, and no more: the log is sound and goes on`, async () => {
      const { calls } = await run(null);
      let refused = 0;
      for (let at = 1; at <= calls; at += 3) {
        // A cut write is one call, and the full disk shows at the next one.
        const ran = await run({ fault, at, times: fault === "shortWrite" ? 2 : 1 });
        assert.equal(ran.acknowledged.length + ran.refused.length, 4);
        refused += ran.refused.length;
        await holds(ran, `${fault} ${at}`);
        // Two failures in a row can hit the taking back, too: then a refused entry is left.
        if (fault === "shortWrite") continue;
        assert.equal(await entriesIn(ran), ran.acknowledged.length, `${fault} ${at}`);
      }
      assert.ok(refused > 0, "an entry was refused");
    });
  }
});
