import type { Identity } from "../core/records.ts";
import type { Sessions } from "../core/sessions.ts";
import type { Arguments } from "./arguments.ts";
import { showAudit } from "./auditCommands.ts";
import { drive } from "./drive.ts";
import { sandboxCommand } from "./sandboxCommand.ts";
import { sandboxStatus } from "./sandboxStatus.ts";
import { keep } from "./keep.ts";
import { look } from "./look.ts";
import { queue } from "./queue.ts";
import { rulesCommand } from "./rulesCommand.ts";
import { secretsCommand } from "./secretsCommand.ts";
import { usageError } from "./usageError.ts";
import { isOf } from "./verbs.ts";
import { worker } from "./worker.ts";
import type { ScaleOut } from "../scaleOut.ts";

/** What a command line asks for, understood whole. Opens the workspace's sessions if it needs them; resolves with the exit code. */
export type Command = (open: () => Sessions, scaleOut: ScaleOut | null) => Promise<number>;

/** Throws `usage.invalid` and the like before a store is opened or made. */
export function commandOf(parsed: Arguments, by: Identity): Command {
  const { verb } = parsed;
  if (isOf(verb, "look")) return async (open) => look(open(), { ...parsed, verb });
  if (isOf(verb, "prove")) return sandboxCommand(parsed);
  if (isOf(verb, "rule")) return rulesCommand(parsed, by);
  if (isOf(verb, "secret")) return secretsCommand(parsed, by);
  if (isOf(verb, "keep")) return keep({ ...parsed, verb }, by);
  if (verb === "audit") return async () => showAudit(parsed.values);
  if (verb === "status") return async () => sandboxStatus(parsed.values);
  if (parsed.values.queue) return queue(parsed, by);
  if (isOf(verb, "drive")) return drive({ ...parsed, verb }, by);
  return async (open, scaleOut) => {
    if (scaleOut === null) throw usageError("cairn worker needs --postgres URL.");
    return worker(open(), scaleOut);
  };
}
