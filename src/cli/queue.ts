import type { Identity } from "../core/records.ts";
import { viewOf } from "../core/replay.ts";
import type { Arguments } from "./arguments.ts";
import { chosenAnswer, terminalConfirm } from "./chosenAnswer.ts";
import type { Command } from "./command.ts";
import { exitCodes } from "./exitCodes.ts";
import { plain } from "./plain.ts";
import { startRequest } from "./startRequest.ts";
import { usageError } from "./usageError.ts";

/** Commands that only record something and leave the rest to whatever worker is free. Throws `usage.invalid`. */
export function queue({ verb, rest, values }: Arguments, by: Identity): Command {
  const [session = "", wait = "", value = ""] = rest;
  const request = verb === "run" ? startRequest(values) : null;
  return async (open, scaleOut) => {
    if (scaleOut === null) throw usageError("--queue needs --postgres URL.");
    const sessions = open();
    if (request === null) {
      const { openWaits } = viewOf(await sessions.records(session));
      const asked = openWaits.find((each) => each.wait === wait);
      const chosen = { value, yes: values.yes, confirm: terminalConfirm() };
      const parsed = asked === undefined ? value : await chosenAnswer(sessions, asked, chosen);
      await sessions.leave(session, { wait, digest: asked?.digest ?? null, value: parsed, by });
      await scaleOut.enqueue(session);
      return exitCodes.done;
    }
    // The changes lie where the folder is: they are proposed there, with `apply`.
    const profile = { ...request.profile, apply: "onRequest" } as const;
    const id = await sessions.queue({ ...request, profile });
    await scaleOut.enqueue(id);
    if (!values.json) process.stderr.write(plain(`Queued. Look at it with: cairn show ${id}\n`));
    return exitCodes.done;
  };
}
