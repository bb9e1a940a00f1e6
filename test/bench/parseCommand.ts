import { commandReader } from "../../src/command/commandReader.ts";
import { benign } from "../command/corpus.ts";
import { atMost, type Measure, median } from "./metric.ts";

const rounds = 250;

/** How long it takes to read one command whole; what is refused is refused sooner. */
export const parseCommand: Measure = async () => {
  const reader = commandReader();
  const took: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const command of benign) {
      const startedAt = performance.now();
      reader.read(command, "/workspace");
      took.push(performance.now() - startedAt);
    }
  }
  return { "parse.p50_ms": atMost(median(took), "ms", 0.2) };
};
