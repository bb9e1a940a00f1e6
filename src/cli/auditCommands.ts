import { openAudit } from "../auditParts.ts";
import { processSecrets } from "../processParts.ts";
import { findingInWords, type AuditHistory } from "../core/audit.ts";
import type { AuditLog, Log } from "../core/ports.ts";
import type { Values } from "./arguments.ts";
import { exitCodes } from "./exitCodes.ts";
import { plain } from "./plain.ts";
import { printAudit } from "./printAudit.ts";

/** Prints the entries of all sessions, or of one. */
export async function showAudit({ json, session }: Values): Promise<number> {
  return withAudit(async (audit) => {
    for (const entry of await audit.entries()) {
      if (session !== undefined && entry.session !== session) continue;
      process.stdout.write(json ? `${JSON.stringify(entry)}\n` : printAudit(entry));
    }
    return exitCodes.done;
  });
}

/** Checks the audit log alone, and says where it lies. Resolves with 1 when it is damaged. */
export async function verifyAudit({ json }: Values): Promise<number> {
  return withAudit(async (audit) => {
    const report = await audit.verify();
    const { directory, files, entries, damage, remarks } = report;
    const sound = damage.length === 0;
    if (json) {
      process.stdout.write(`${JSON.stringify({ sound, ...report })}\n`);
    } else {
      const state = sound ? "is sound" : "is damaged";
      const lines = [
        ...damage.map((finding) => `damaged  ${findingInWords(finding)}`),
        ...remarks.map((finding) => `note  ${findingInWords(finding)}`),
        `The audit log in ${directory} ${state}: ${entries} entries in ${files} files.`,
      ];
      process.stdout.write(plain(`${lines.join("\n")}\n`));
    }
    return sound ? exitCodes.done : exitCodes.failed;
  });
}

/** Removes the files of the audit log that are older; resolves with their number. */
export async function pruneAudit(olderMs: number): Promise<number> {
  return withAudit(async (audit) => audit.prune(Date.now() - olderMs));
}

const log: Log = (line) => void process.stderr.write(plain(`${line}\n`));

/** Opens the audit log for one piece of work. */
export async function withAudit<Result>(
  work: (audit: AuditHistory & AuditLog) => Promise<Result>,
): Promise<Result> {
  const audit = openAudit(process.env, { log, redactor: processSecrets(process.env).persisted });
  try {
    return await work(audit);
  } finally {
    await audit.close();
  }
}
