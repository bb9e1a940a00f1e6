import type { Finding } from "./ports.ts";
import type { SandboxInfo } from "./sandboxInfo.ts";
import type { SandboxCheck } from "./sessions.ts";

/** A checked sandbox for people: what it is, one line a control, and the sum. */
export function findingLines({ sandbox, findings }: SandboxCheck): readonly string[] {
  return [nameOf(sandbox), ...findings.map(line), sum(findings)];
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

function sum(findings: readonly Finding[]): string {
  const count = (wanted: Finding["verdict"]): number =>
    findings.filter(({ verdict }) => verdict === wanted).length;
  const refused = count("broken") === 0 ? "" : " A session would be refused.";
  return `${count("held")} held, ${count("gap")} gaps, ${count("broken")} broken.${refused}`;
}
