import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Secrets } from "../../src/redaction/secrets.ts";
import { atLeast, atMost, median, type Measure } from "./metric.ts";

const rounds = 9;
const registered = 20;
const records = 1000;

/** What commands print and files hold, with twenty registered secrets; and a record of a kilobyte. */
export const redactText: Measure = async () => {
  const secrets = new Secrets();
  for (let number = 0; number < registered; number += 1) {
    secrets.register(randomBytes(24).toString("base64url"));
  }
  const texts = [sources("src"), sources("node_modules/openai/src"), logs(), lock()];
  const megabytes = texts.reduce((sum, text) => sum + text.length, 0) / 1e6;
  const output = { text: texts[0]?.slice(5000, 6000) ?? "", ok: true, data: { exitCode: 0 } };
  const [text, record]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    const took = cpuMs(() => {
      for (const each of texts) secrets.persisted.text(each);
    });
    text.push(megabytes / (took / 1000));
    const tookAll = cpuMs(() => {
      for (let time = 0; time < records; time += 1) secrets.persisted.value(output);
    });
    record.push(tookAll / records);
  }
  return {
    "redact.mb_s": atLeast(median(text), "MB/s", { target: 40 }),
    "redact.record_ms": atMost(median(record), "ms", 0.05),
  };
};

/** Of this process, so that others on the machine do not count. */
function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function sources(folder: string): string {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const some = names.filter((name) => name.endsWith(".ts"));
  return some.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
}

function lock(): string {
  return readFileSync("package-lock.json", "utf8");
}

/** As a server writes them. */
function logs(): string {
  return Array.from({ length: 8000 }, (_, line) => {
    const path = `/api/v1/items/${line}?page=${line % 7}`;
    const id = randomBytes(8).toString("hex");
    return `2026-11-21T12:00:00.${line % 1000}Z INFO [worker-${line % 4}] GET ${path} 200 ${line % 90}ms request=${id} user=anna`;
  }).join("\n");
}
