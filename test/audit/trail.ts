import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AnchorFiles } from "../../src/audit/anchorFiles.ts";
import { AuditTrail, type AuditTrailOptions } from "../../src/audit/auditTrail.ts";
import type { AuditAnchor, AuditAnchors } from "../../src/core/audit.ts";
import type { AuditEntry } from "../../src/core/ports.ts";

/** A place of anchors that nobody who edits files can reach, as the editor's secret storage is. */
export class MemoryAnchors implements AuditAnchors {
  readonly kept = new Map<string, AuditAnchor>();

  async save(anchor: AuditAnchor): Promise<void> {
    this.kept.set(anchor.segment, anchor);
  }

  async load(): Promise<ReadonlyMap<string, unknown>> {
    return new Map(this.kept);
  }

  async forget(segment: string): Promise<void> {
    this.kept.delete(segment);
  }
}

/** A directory for one log, and the log as the processes that share it open it. */
export class LogPlace {
  readonly root = mkdtempSync(join(tmpdir(), "cairn-audit-"));
  readonly directory = join(this.root, "audit");
  readonly anchors = join(this.root, "anchors");
  readonly secrets = new MemoryAnchors();
  now = 1_800_000_000_000;

  open(more: Partial<AuditTrailOptions> = {}): AuditTrail {
    return new AuditTrail({
      directory: this.directory,
      anchors: [new AnchorFiles(this.anchors)],
      key: new Uint8Array(32).fill(7),
      owner: `machine/${process.pid}/1`,
      boot: "boot",
      isGone: () => true,
      redactor: { text: (text) => text.replaceAll("hunter2", "[secret]") },
      now: () => this.now,
      log: () => {},
      ...more,
    });
  }

  /** A log with so many entries, written by a process that has ended. Its file. */
  async written(entries: number, more: Partial<AuditTrailOptions> = {}): Promise<string> {
    const before = new Set(this.files);
    const trail = this.open(more);
    for (let number = 1; number <= entries; number += 1) await trail.write(entry(number));
    await trail.close();
    const file = this.files.find((name) => !before.has(name));
    if (file === undefined) throw new Error("no file was written");
    return file;
  }

  /** Anchors beside the log, and where only the editor comes. */
  get both(): readonly AuditAnchors[] {
    return [new AnchorFiles(this.anchors), this.secrets];
  }

  get files(): readonly string[] {
    return existsSync(this.directory) ? readdirSync(this.directory) : [];
  }

  lines(file: string): string[] {
    return readFileSync(join(this.directory, file), "utf8").split("\n").slice(0, -1);
  }

  put(file: string, lines: readonly string[]): void {
    this.putText(file, lines.map((line) => `${line}\n`).join(""));
  }

  putText(file: string, text: string): void {
    writeFileSync(join(this.directory, file), text);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export function entry(number: number, more: Partial<AuditEntry> = {}): AuditEntry {
  return {
    kind: "decided",
    session: "s",
    step: `turn/${number}/tool/a`,
    operation: null,
    digest: "d".repeat(64),
    by: { user: "dev", surface: "cli" },
    what: `number ${number}`,
    outcome: null,
    ...more,
  };
}
