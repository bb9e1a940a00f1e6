import { join } from "node:path";
import { BubblewrapSandbox } from "../../src/sandbox/bubblewrapSandbox.ts";
import { run, text } from "../contracts/sandbox.ts";
import { EgressUnderTest } from "./wayOutCases.ts";

// A host in a process of its own, to be killed: makes its proxy start, says so, and stays.

const [, , state = ""] = process.argv;
const egress = new EgressUnderTest([]);
const tree = join(state, "workspace");
const sandbox = new BubblewrapSandbox({ tree, state, egress, log: () => undefined });
const { stdout } = await run(sandbox, "curl -s http://elsewhere.example/; sleep 1000 & true");
console.log(text(stdout));
