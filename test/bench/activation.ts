import { join } from "node:path";
import { runInExtensionHost } from "../vscode/extensionHost.ts";
import { atMost, percentile, type Measure } from "./metric.ts";

const hosts = 10;

/** From asking VS Code to activate until it is done, loading included, in a new extension host each time. */
export const activation: Measure = async () => {
  const probe = join(import.meta.dirname, "activates.ts");
  const took: number[] = [];
  for (let host = 0; host < hosts; host += 1) {
    const [result] = await runInExtensionHost([probe]);
    if (result?.outcome !== "passed") throw new Error(`Activation failed: ${result?.detail}`);
    took.push(result.ms);
  }
  return { "activate.p95_ms": atMost(percentile(took, 0.95), "ms", 50) };
};
