import { statSync } from "node:fs";
import { bundleSizes } from "../harness/sizes.ts";
import { packageVsix } from "../vscode/packageVsix.ts";
import { atMost, type Measure, type Metric } from "./metric.ts";

/** What is downloaded, what activation loads, and what the panel loads. */
export const sizes: Measure = async () => {
  const metrics: Record<string, Metric> = {};
  metrics["vsix.bytes"] = atMost(statSync(await packageVsix()).size, "bytes", 2_500_000);
  for (const { metric, bytes, limit } of await bundleSizes()) {
    metrics[metric] = atMost(bytes, "bytes", limit);
  }
  return metrics;
};
