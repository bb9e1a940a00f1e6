import { relative } from "node:path";
import { run } from "node:test";
import { inspect } from "node:util";
import { root } from "./root.ts";
import type { Tally } from "./tally.ts";

const testLimitMs = 120_000;
/** A file that is silent for longer holds something open, or hangs where no test can be timed. */
const silenceLimitMs = testLimitMs + 30_000;

/**
 * Runs test files with node:test, each in a process of its own, and prints a line for each. What
 * starts container engines goes one after the other: two at a time slow each other down, and what
 * is timed in them.
 */
export async function runNodeTests(
  files: readonly string[],
  concurrency: number,
  tally: Tally,
): Promise<void> {
  const startsEngines = (file: string): boolean => relative(root, file).startsWith("test/sandbox");
  const engines = files.filter(startsEngines).values();
  const others = files.filter((file) => !startsEngines(file)).values();
  const lane = async (first: boolean): Promise<void> => {
    if (first) for (const file of engines) await runFile(file, tally);
    for (const file of others) await runFile(file, tally);
  };
  await Promise.all(Array.from({ length: concurrency }, async (_, index) => lane(index === 0)));
}

async function runFile(file: string, tally: Tally): Promise<void> {
  const name = relative(root, file);
  const startedAt = performance.now();
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const output: string[] = [];
  const silence = new AbortController();
  const watchdog = setTimeout(() => {
    silence.abort(new Error("Stopped: it was silent for too long. Is something still open?"));
  }, silenceLimitMs);
  const stopWithUs = (): void => silence.abort();
  process.once("exit", stopWithUs);

  const stream = run({
    files: [file],
    execArgv: [`--test-timeout=${testLimitMs}`],
    signal: silence.signal,
  });
  stream.on("test:stdout", ({ message }) => output.push(message));
  stream.on("test:stderr", ({ message }) => output.push(message));
  stream.on("test:pass", (event) => {
    if (event.details.type === "suite") return;
    if (event.name === file) {
      counts.failed += 1;
      tally.fail(name, "It has no tests.", file);
    } else if (isSet(event.skip) || isSet(event.todo)) {
      counts.skipped += 1;
      tally.skip(`${name} › ${event.name}`, String(event.skip ?? event.todo));
    } else {
      counts.passed += 1;
      tally.pass();
    }
  });
  stream.on("test:fail", (event) => {
    const { type, error } = event.details;
    if (type === "suite") return;
    counts.failed += 1;
    const title = event.name === file ? name : `${name} › ${event.name}`;
    tally.fail(title, inspect(typeof error.cause === "object" ? error.cause : error), file);
  });
  for await (const _ of stream) watchdog.refresh();
  clearTimeout(watchdog);
  process.off("exit", stopWithUs);

  if (counts.failed > 0 && output.length > 0) console.log(`Output of ${name}:\n${output.join("")}`);
  const parts = Object.entries(counts).filter(([, count]) => count > 0);
  const summary = parts.map(([outcome, count]) => `${count} ${outcome}`).join(", ");
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${counts.failed > 0 ? "FAIL" : "ok  "} ${name}  ${summary} (${seconds} s)`);
}

function isSet(mark: string | boolean | undefined): boolean {
  return mark !== undefined && mark !== false;
}
