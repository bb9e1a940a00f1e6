import type { Finding } from "../core/ports.ts";
import type { SandboxInfo } from "../core/records.ts";
import type { Sessions } from "../core/sessions.ts";
import type { Arguments } from "./arguments.ts";
import type { Command } from "./command.ts";
import { exitCodes } from "./exitCodes.ts";
import { plain } from "./plain.ts";
import { usageError } from "./usageError.ts";

type Values = Arguments["values"];

/** `cairn sandbox check` and `cairn sandbox rebuild`. Throws `usage.invalid`. */
export function sandboxCommand({ rest, values }: Arguments): Command {
  const [what = ""] = rest;
  if (what === "check") return async (open) => check(open(), values);
  if (what === "rebuild") return async (open) => rebuild(open(), values);
  throw usageError(`There is no cairn sandbox ${what}. Use: cairn sandbox check, or rebuild`);
}

/** One line a control. The exit code is not 0 when one is broken. */
async function check(sessions: Sessions, { sandbox: choice, json }: Values): Promise<number> {
  const { sandbox, findings } = await sessions.checkSandbox(choice);
  const lines = json ? findings.map(asJson) : [nameOf(sandbox), ...findings.map(line)];
  const broken = findings.filter(({ verdict }) => verdict === "broken");
  const shown = json ? lines : [...lines, total(findings, broken)];
  process.stdout.write(plain(shown.map((each) => `${each}\n`).join("")));
  return broken.length === 0 ? exitCodes.done : exitCodes.failed;
}

async function rebuild(sessions: Sessions, { json }: Values): Promise<number> {
  const removed = await sessions.rebuildContainer();
  const gone = removed.length === 0 ? "" : ` ${removed.join(", ")} is removed.`;
  const sentence = `The next session asks for the dev container again.${gone}`;
  process.stdout.write(json ? `${JSON.stringify({ removed })}\n` : plain(`${sentence}\n`));
  return exitCodes.done;
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
