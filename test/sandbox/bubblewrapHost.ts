import { join } from "node:path";
import { CairnError } from "../../src/core/errors.ts";
import { BubblewrapSandbox } from "../../src/sandbox/bubblewrapSandbox.ts";
import { run } from "../contracts/sandbox.ts";

// A host in a process of its own, to be killed: says what it found, and stays.

const [, , state = ""] = process.argv;
const tree = join(state, "workspace");
const sandbox = new BubblewrapSandbox({ tree, state, egress: null, log: () => undefined });
try {
  await sandbox.probe();
  await run(sandbox, "sleep 87652 & true");
  const findings = await sandbox.check();
  const lacking = findings.filter(({ verdict }) => verdict !== "held");
  console.log(["on", ...lacking.map(({ control }) => control)].join(" "));
} catch (error) {
  console.log(CairnError.is(error) ? `${error.code} ${error.message}` : String(error));
}
