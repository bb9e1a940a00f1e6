import { join } from "node:path";
import * as z from "zod";
import { command, mustRun } from "./command.ts";
import { demoWorkspace } from "./demoWorkspace.ts";
import { out } from "./root.ts";

const waiting = 3;
/** The demo asks far less often; more means that an answer does not get it on. */
const mostAnswers = 20;

/** What the demo leaves stays in the project's own output folder. */
const env = { ...process.env, CAIRN_HOME: join(out, "headless-home") };

const session = z.object({
  session: z.string(),
  waits: z.array(z.object({ wait: z.string(), kind: z.string(), suggested: z.string() })),
});

/** The demo session through the CLI, from the start to its end, answering as it suggests. */
export async function runHeadlessDemo(): Promise<number> {
  const workspace = await demoWorkspace("headless", false);
  let code = await cairn("run", "--demo", "--workspace", workspace);
  for (let answers = 0; code === waiting; answers += 1) {
    if (answers === mostAnswers) throw new Error(`It still waits after ${mostAnswers} answers.`);
    const { session: id, wait } = await openWait(workspace);
    code = await cairn("answer", "--workspace", workspace, id, wait.wait, wait.suggested);
  }
  console.log(code === 0 ? "The demo session is complete." : `It ended with exit code ${code}.`);
  return code;
}

async function cairn(...args: readonly string[]): Promise<number> {
  console.log(`\n$ cairn ${args.join(" ")}`);
  const { code } = await command(process.execPath, ["dist/cli.js", ...args], { env, show: true });
  return code ?? 1;
}

async function openWait(workspace: string) {
  const args = ["dist/cli.js", "sessions", "--workspace", workspace, "--json"];
  const lines = (await mustRun(process.execPath, args, { env }))
    .split("\n")
    .filter((line) => line !== "");
  for (const { session: id, waits } of lines.map((line) => session.parse(JSON.parse(line)))) {
    const [wait] = waits;
    if (wait !== undefined) return { session: id, wait };
  }
  throw new Error("The demo session waits, but `cairn sessions` shows no open wait.");
}
