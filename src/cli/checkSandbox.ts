import type { Finding } from "../core/ports.ts";
import type { SandboxInfo } from "../core/records.ts";
import type { Arguments } from "./arguments.ts";
import type { Command } from "./command.ts";
import { exitCodes } from "./exitCodes.ts";
import { plain } from "./plain.ts";
import { usageError } from "./usageError.ts";

/** `cairn sandbox check`: one line a control. The exit code is not 0 when one is broken. Throws `usage.invalid`. */
export function checkSandbox({ rest, values }: Arguments): Command {
  const [what = ""] = rest;
  if (what !== "check") {
    throw usageError(`There is no cairn sandbox ${what}. Use: cairn sandbox check`);
  }
  return async (open) => {
    const { sandbox, findings } = await open().checkSandbox(values.sandbox);
    const lines = values.json ? findings.map(asJson) : [nameOf(sandbox), ...findings.map(line)];
    const broken = findings.filter(({ verdict }) => verdict === "broken");
    const shown = values.json ? lines : [...lines, total(findings, broken)];
    process.stdout.write(plain(shown.map((each) => `${each}\n`).join("")));
    return broken.length === 0 ? exitCodes.done : exitCodes.failed;
  };
}

function asJson(finding: Finding): string {
  return JSON.stringify(finding);
}

function nameOf({ backend, image, runtime, gpus }: SandboxInfo): string {
  const parts = [
    `The ${backend} sandbox`,
    ...(image === null ? [] : [`image ${image}`]),
    ...(runtime === undefined ? [] : [`runtime ${runtime}`]),
    ...(gpus === undefined ? [] : [`GPUs ${gpus}`]),
  ];
  return parts.join(", ");
}

function line({ control, wanted, found, verdict }: Finding): string {
  const said = verdict === "held" ? found : `${found} (wanted: ${wanted})`;
  return `  ${verdict.padEnd(7)} ${control.padEnd(24)} ${said}`;
}

function total(findings: readonly Finding[], broken: readonly Finding[]): string {
  const gaps = findings.filter(({ verdict }) => verdict === "gap").length;
  const held = findings.length - gaps - broken.length;
  return `${held} held, ${gaps} gaps, ${broken.length} broken.${broken.length === 0 ? "" : " A session would be refused."}`;
}
