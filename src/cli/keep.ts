import type { StoreProblem } from "../core/ports.ts";
import type { Identity } from "../core/records.ts";
import type { RetentionPolicy } from "../core/retention.ts";
import type { Pruned, Sessions } from "../core/sessions.ts";
import { verifyBundle } from "../engine.ts";
import type { Arguments, Values } from "./arguments.ts";
import { pruneAudit, verifyAudit } from "./auditCommands.ts";
import { readBundle, writeBundle } from "./bundleFile.ts";
import type { Command } from "./command.ts";
import { exitCodes } from "./exitCodes.ts";
import { parseDuration, parseSize } from "./parseUnit.ts";
import { jsonLine, plain } from "./plain.ts";
import { usageError } from "./usageError.ts";
import type { VerbOf } from "./verbs.ts";

/** Commands that care for what is stored. Throws `usage.invalid`. */
export function keep({ verb, rest, values }: Keeping, by: Identity): Command {
  const [what = ""] = rest;
  const { json, out } = values;
  const say: Say = (sentence, facts) => {
    process.stdout.write(json ? jsonLine(facts) : plain(`${sentence}\n`));
  };
  switch (verb) {
    case "cancel":
      return always(async (sessions) => sessions.cancel(what, by));
    case "export":
      return always(async (sessions) => {
        await write(sessions.export(what), out);
        if (out !== undefined) say(`Session ${what} is in ${out}.`, { session: what, file: out });
      });
    case "import":
      return always(async (sessions) => {
        const session = await sessions.import(readBundle(what));
        say(`Session ${session} is here, to be read: cairn show ${session}`, { session });
      });
    case "verify":
      if (values.audit && what === "") return async () => verifyAudit(values);
      if (values.audit) throw usageError("--audit checks the log, and takes no file.");
      return what === ""
        ? async (open) => reported(await open().verify(), say)
        : async () => soundBundle(what, say);
    case "delete":
      return always(async (sessions) => {
        await sessions.remove(what);
        say(`Session ${what} is deleted; no byte of it is left.`, { session: what });
      });
    case "prune": {
      const age = values["audit-older-than"];
      const ofAudit = age === undefined ? null : parseDuration("--audit-older-than", age);
      const policy = policyOf(values);
      return async (open) => {
        if (ofAudit !== null) prunedAudit(await pruneAudit(ofAudit), say);
        if (policy !== null) pruned(await open().prune(policy), say);
        return exitCodes.done;
      };
    }
  }
}

interface Keeping extends Arguments {
  readonly verb: VerbOf<"keep">;
}

function always(work: (sessions: Sessions) => Promise<void>): Command {
  return async (open) => {
    await work(open());
    return exitCodes.done;
  };
}

type Say = (sentence: string, facts: object) => void;

async function write(lines: AsyncIterable<string>, out: string | undefined): Promise<void> {
  if (out !== undefined) return writeBundle(out, lines);
  for await (const line of lines) {
    if (process.stdout.write(line)) continue;
    await new Promise((resolve) => process.stdout.once("drain", resolve));
  }
}

function reported(problems: readonly StoreProblem[], say: Say): number {
  if (problems.length === 0) {
    say("Everything that is stored is sound.", { sound: true });
    return exitCodes.done;
  }
  for (const { session, reason } of problems) {
    say(`${session === "" ? "the store" : session}  ${reason}`, { sound: false, session, reason });
  }
  return exitCodes.failed;
}

/** Needs no store, and makes none. Throws `bundle.invalid` with the line. */
async function soundBundle(path: string, say: Say): Promise<number> {
  const { session, records, blobs, leftOut } = await verifyBundle(readBundle(path));
  const missing = leftOut === 0 ? "" : `, ${leftOut} files left out for what they hold`;
  say(`The bundle of session ${session} is sound: ${records} records, ${blobs} files${missing}.`, {
    sound: true,
    session,
    records,
    blobs,
    leftOut,
  });
  return exitCodes.done;
}

/** What of the sessions may go; null when only the audit log is meant. */
function policyOf(values: Values): RetentionPolicy | null {
  const { "older-than": age, "max-size": size, "audit-older-than": ofAudit } = values;
  if (age === undefined && size === undefined) {
    if (ofAudit !== undefined) return null;
    throw usageError(
      "Say what may go: --older-than AGE, like 30d, --max-size SIZE, like 500MB, or --audit-older-than AGE.",
    );
  }
  return {
    maxAgeMs: age === undefined ? null : parseDuration("--older-than", age),
    maxBytes: size === undefined ? null : parseSize("--max-size", size),
  };
}

function prunedAudit(files: number, say: Say): void {
  const what = files === 1 ? "1 file" : `${files} files`;
  say(`${what} of the audit log removed by age.`, { auditFiles: files });
}

function pruned({ removed, bytesOver }: Pruned, say: Say): void {
  for (const { session, reason } of removed) {
    say(`Session ${session} is deleted: ${reason}`, { session, reason });
  }
  if (removed.length === 0) say("There is nothing to delete.", {});
  if (bytesOver > 0) {
    const megabytes = Math.ceil(bytesOver / 1e6);
    say(`It is still ${megabytes} MB over the size: what is left runs or waits.`, { bytesOver });
  }
}
