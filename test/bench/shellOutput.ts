import { readFileSync, writeFileSync } from "node:fs";
import { run } from "../contracts/sandbox.ts";
import { bubblewrapPlace } from "../sandbox/bubblewrapPlace.ts";
import { median, timed } from "./metric.ts";

// A process of its own, because a high-water mark of memory counts all that came before.

const megabytes = 100;
const times = 5;

const place = await bubblewrapPlace();
await run(place.sandbox, "true");
globalThis.gc?.();
// Loading the program took more than it keeps: its high-water mark begins here.
writeFileSync("/proc/self/clear_refs", "5");
const idle = highestMb();
const took: number[] = [];
for (let n = 0; n < times; n += 1) {
  took.push(await timed(async () => run(place.sandbox, `head -c ${megabytes}000000 /dev/zero`)));
}
const highest = highestMb();
await place.close();
console.log(
  JSON.stringify({
    mbPerS: megabytes / (median(took) / 1000),
    memoryMb: highest - idle,
  }),
);

function highestMb(): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/mu.exec(status)?.[1]) / 1024;
}
