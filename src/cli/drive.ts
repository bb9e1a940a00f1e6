import type { Identity } from "../core/records.ts";
import { viewOf, type OpenWait } from "../core/replay.ts";
import type { Run, Sessions } from "../core/sessions.ts";
import type { Arguments } from "./arguments.ts";
import { chosenAnswer, terminalConfirm } from "./chosenAnswer.ts";
import type { Command } from "./command.ts";
import { derivationRequest } from "./derivationRequest.ts";
import { follow } from "./follow.ts";
import { startRequest } from "./startRequest.ts";
import { surveyText } from "./surveyText.ts";
import type { VerbOf } from "./verbs.ts";

interface Driving extends Arguments {
  readonly verb: VerbOf<"drive">;
}

/** Commands that set a session going; each resolves when it has come to rest. Throws `usage.invalid`. */
export function drive(parsed: Driving, by: Identity): Command {
  const begin = beginning(parsed, by);
  return async (open) => {
    const sessions = open();
    return follow(sessions, await begin(sessions), parsed.values);
  };
}

function beginning(
  { verb, rest, values }: Driving,
  by: Identity,
): (sessions: Sessions) => Promise<Run> {
  const [session = "", wait = "", value = ""] = rest;
  switch (verb) {
    case "run": {
      const request = startRequest(values);
      return async (sessions) => {
        if (!values.json) process.stderr.write(surveyText(await sessions.survey(values)));
        return sessions.start(request);
      };
    }
    case "answer":
      return async (sessions) => answer(sessions, { session, wait, value, by, yes: values.yes });
    case "abort": {
      const aborted = { wait, digest: null, by, value: null, ended: "aborted" as const };
      return async (sessions) => sessions.answer(session, aborted);
    }
    case "resume":
      return async (sessions) => goOn(sessions, session);
    case "retry":
      return async (sessions) => sessions.retry(session);
    case "apply":
      return async (sessions) => sessions.apply(session);
    case "undo":
      return async (sessions) => sessions.undo(session);
    case "replay":
    case "fork": {
      const request = derivationRequest(verb, values);
      return async (sessions) => sessions.derive(session, request);
    }
  }
}

/** A question whose time is over is what a waiting session goes on from. */
async function goOn(sessions: Sessions, session: string): Promise<Run> {
  const { openWaits } = viewOf(await sessions.records(session));
  const late = openWaits.find(({ at, deadlineMs }) => Date.now() >= at + (deadlineMs ?? Infinity));
  if (late === undefined) return sessions.resume(session);
  const { wait, digest } = late;
  const by: Identity = { user: "nobody", surface: "deadline" };
  return sessions.answer(session, { wait, digest, by, value: null, ended: "expired" });
}

async function answer(
  sessions: Sessions,
  given: {
    readonly session: string;
    readonly wait: string;
    readonly value: string;
    readonly by: Identity;
    readonly yes: boolean;
  },
): Promise<Run> {
  const { session, wait, value, by, yes } = given;
  const { openWaits } = viewOf(await sessions.records(session));
  const open: OpenWait | undefined = openWaits.find((each) => each.wait === wait);
  // A wait that is not open is refused by the session, which knows whether it was answered.
  const parsed =
    open === undefined
      ? value
      : await chosenAnswer(sessions, open, { value, yes, confirm: terminalConfirm() });
  return sessions.answer(session, { wait, digest: open?.digest ?? null, value: parsed, by });
}
