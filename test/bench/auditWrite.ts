import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { AnchorFiles } from "../../src/audit/anchorFiles.ts";
import { AuditTrail } from "../../src/audit/auditTrail.ts";
import type { AuditEntry } from "../../src/core/ports.ts";
import { median, ratioAtMost, timed, type Measure } from "./metric.ts";

const entries = 2_000;

/** An entry of the audit log against a raw append and fdatasync of the same bytes, in turns, on one disk. */
export const auditWrite: Measure = async () => {
  const folder = mkdtempSync(join(process.cwd(), "out", "bench-"));
  const log = new AuditTrail({
    directory: join(folder, "audit"),
    anchors: [new AnchorFiles(join(folder, "anchors"))],
    key: new Uint8Array(32),
    owner: "bench",
    boot: "bench",
    isGone: () => true,
    redactor: { text: (text) => text },
    now: () => Date.now(),
    log: () => {},
  });
  const file = openSync(join(folder, "floor"), "a");
  try {
    const written: number[] = [];
    const raw: number[] = [];
    for (let number = 0; number < entries; number += 1) {
      const entry = entryOf(number);
      // What a line has beside the entry: its place, the line before and its signature.
      const bytes = Buffer.from(`${JSON.stringify(entry)}${" ".repeat(200)}\n`);
      written.push(await timed(async () => log.write(entry)));
      const began = performance.now();
      writeSync(file, bytes);
      fdatasyncSync(file);
      raw.push(performance.now() - began);
    }
    return {
      "audit.ratio": ratioAtMost(median(written), median(raw), { unit: "ms", target: 2 }),
    };
  } finally {
    closeSync(file);
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  }
};

function entryOf(number: number): AuditEntry {
  return {
    kind: "began",
    session: "0123456789ab",
    step: `turn/${number}/tool/call`,
    operation: "0".repeat(64),
    digest: "0".repeat(64),
    by: null,
    what: "exec: npm test -- --only unit",
    outcome: null,
  };
}
