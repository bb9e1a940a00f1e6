import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { activation } from "./activation.ts";
import { auditWrite } from "./auditWrite.ts";
import { decisions } from "./decisions.ts";
import { answerToStart } from "./answerToStart.ts";
import { memory } from "./memory.ts";
import type { Measure, Metric } from "./metric.ts";
import { parseCommand } from "./parseCommand.ts";
import { proxy } from "./proxy.ts";
import { recordCommit } from "./recordCommit.ts";
import { redactText } from "./redactText.ts";
import { serviceCall } from "./serviceCall.ts";
import { shellBubblewrap } from "./shellBubblewrap.ts";
import { shellDocker } from "./shellDocker.ts";
import { sizes } from "./sizes.ts";
import { snapshots } from "./snapshots.ts";
import { stepPeers } from "./stepPeers.ts";
import { submitToWire } from "./submitToWire.ts";
import { tenThousand } from "./tenThousand.ts";

/** Which measure gives which figures. */
const measures: readonly { readonly gives: readonly string[]; readonly measure: Measure }[] = [
  { gives: ["record.commit.ratio", "record.commit.flat"], measure: recordCommit },
  { gives: ["audit.ratio"], measure: auditWrite },
  {
    gives: ["list.10k_ms", "open.10k_ms", "resume.10k_ms", "bytes.ratio", "loop.delay.p99_ms"],
    measure: tenThousand,
  },
  { gives: ["step.ratio", "step.vs.dbos", "step.vs.langgraph"], measure: stepPeers },
  {
    gives: [
      "snapshot.2k.ratio",
      "snapshot.20k.ratio",
      "snapshot.100k.ratio",
      "snapshot.vs.stash",
      "snapshot.vs.shadow",
      "snapshot.first.ratio",
      "snapshot.first.bytes_ratio",
      "restore.20k_ms",
      "seed.20k.ratio",
    ],
    measure: snapshots,
  },
  { gives: ["memory.idle_mb", "memory.ten_mb"], measure: memory },
  {
    gives: [
      "shell.docker.p50_ms",
      "shell.vs.exec",
      "ready.docker.p50_ms",
      "reattach.docker.p50_ms",
    ],
    measure: shellDocker,
  },
  {
    gives: ["shell.bwrap.p50_ms", "shell.output.mb_s", "ready.bwrap.p50_ms"],
    measure: shellBubblewrap,
  },
  { gives: ["redact.mb_s", "redact.record_ms"], measure: redactText },
  { gives: ["parse.p50_ms"], measure: parseCommand },
  { gives: ["policy.p99_ms"], measure: decisions },
  { gives: ["service.call.p50_ms"], measure: serviceCall },
  {
    gives: ["proxy.plain.p50_ms", "proxy.tls.p50_ms", "proxy.mb_s", "proxy.rss_mb"],
    measure: proxy,
  },
  { gives: ["submit.to.wire.p95_ms"], measure: submitToWire },
  { gives: ["answer.to.start.p95_ms"], measure: answerToStart },
  { gives: ["activate.p95_ms"], measure: activation },
  { gives: ["vsix.bytes", "bundle.host.bytes", "bundle.webview.bytes"], measure: sizes },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "string" }, only: { type: "string", multiple: true } },
});
const only = [...(values.only ?? []), ...positionals];
const known = measures.flatMap(({ gives }) => gives);
const unknown = only.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`There is no figure ${unknown.join(", ")}. There are: ${known.join(", ")}.`);
  process.exit(2);
}

mkdirSync("out", { recursive: true });
const metrics: Record<string, Metric> = {};
for (const { gives, measure } of measures) {
  if (only.length > 0 && !gives.some((name) => only.includes(name))) continue;
  for (const [name, metric] of Object.entries(await measure())) {
    metrics[name] = metric;
    const ratio = metric.ratio === null ? "" : `  ${metric.ratio}x of ${metric.floor}`;
    const mark = metric.pass ? "ok  " : "MISS";
    console.log(
      `${mark} ${name.padEnd(24)} ${metric.value} ${metric.unit}${ratio}  (${metric.target})`,
    );
  }
}
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ metrics }, null, 2)}\n`);
process.exitCode = Object.values(metrics).every((metric) => metric.pass) ? 0 : 1;
