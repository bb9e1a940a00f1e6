import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Action } from "../../src/core/action.ts";
import { namedProfile } from "../../src/core/profile.ts";
import type { Rule } from "../../src/core/rule.ts";
import { RuleBook } from "../../src/rules/ruleBook.ts";
import { atMost, percentile, type Measure } from "./metric.ts";
import { anyPlace } from "../contracts/records.ts";
import { MemoryAudit } from "../fakes/memoryAudit.ts";

const rules = 500;
const samples = 2000;
const warmUp = 500;

/**
 * A decision on a command of two parts by 500 rules, with the look whether a file changed: time of
 * the processor, all threads together, so that what else the machine does is not counted.
 */
export const decisions: Measure = async () => {
  const root = mkdtempSync(join(tmpdir(), "cairn-bench-rules-"));
  const own = Array.from({ length: rules / 2 }, (_, index) => ruleOf(index));
  writeFileSync(join(root, "rules.json"), JSON.stringify({ rules: own }), { mode: 0o600 });
  const key = new Uint8Array(32);
  const managed = join(root, "managed.json");
  const book = new RuleBook({
    root,
    workspace: root,
    key,
    managed,
    audit: new MemoryAudit(),
    tell: () => {},
  });
  const granted = Array.from({ length: rules / 2 }, (_, index) => ruleOf(index + rules));
  await book.grant(granted, { user: "bench", surface: "cli" }, "s");
  const policy = book.permissions(namedProfile("strict"));
  for (let sample = 0; sample < warmUp; sample += 1) await policy.decide(action);
  const times: number[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    const before = process.cpuUsage();
    await policy.decide(action);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
  }
  rmSync(root, { recursive: true, force: true });
  return { "policy.p99_ms": atMost(percentile(times, 0.99), "ms", 1) };
};

function ruleOf(index: number): Rule {
  const command = { words: [`program${index}`, "run"], more: true };
  return { id: `rule-${index}`, decision: "allow", tool: "exec", command };
}

function part(...argv: string[]): NonNullable<Action["command"]>[number] {
  return { argv, run: argv, join: null, effect: "unknown" };
}

const action: Action = {
  session: "s",
  tool: "exec",
  risk: "R1",
  args: "digest",
  command: [part(`program${rules / 2 - 1}`, "run", "it"), part("npm", "test")],
  paths: [],
  place: anyPlace,
};
