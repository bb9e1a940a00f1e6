import { command } from "./command.ts";
import { bundleSizes } from "./sizes.ts";
import type { Tally } from "./tally.ts";

/** Format, lint, types and sizes; each counts as one. */
export async function runChecks(tally: Tally): Promise<void> {
  await check("format (mend it with `npm run format`)", ["oxfmt", "--check"], tally);
  await check("lint", ["oxlint", "-c", "oxlint.config.js"], tally);
  await check("types", ["tsc", "-p", "."], tally);
  await check("types of the webview", ["tsc", "-p", "webview"], tally);
  for (const { metric, bytes, limit } of await bundleSizes()) {
    const line = `${metric} ${bytes} (at most ${limit})`;
    if (bytes > limit) tally.fail(metric, line);
    else pass(line, tally);
  }
}

async function check(name: string, [program = "", ...args]: string[], tally: Tally): Promise<void> {
  const { code, output } = await command(program, args);
  if (code === 0) pass(name, tally);
  else tally.fail(name, output);
}

function pass(line: string, tally: Tally): void {
  tally.pass();
  console.log(`ok   ${line}`);
}
