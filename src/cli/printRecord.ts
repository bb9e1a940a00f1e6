import type { SessionRecord } from "../core/records.ts";
import { firstLine } from "./firstLine.ts";
import { plain } from "./plain.ts";
import { stepLines } from "./stepLines.ts";
import { subjectLines } from "../core/subjectLines.ts";

type Of<Kind extends SessionRecord["kind"]> = Extract<SessionRecord, { kind: Kind }>;

/** One record as a person reads it. All but its first line is set in, so that no text looks like another record. */
export function printRecord(record: SessionRecord): string {
  const text = lines(record).join("\n").replaceAll("\n", "\n      ");
  return plain(`${String(record.seq).padStart(4)}  ${text}\n`);
}

function lines(record: SessionRecord): readonly string[] {
  switch (record.kind) {
    case "session.started":
      return started(record);
    case "session.resumed":
      return [`session resumed (${record.reason})${record.newShell ? " in a new shell" : ""}`];
    case "session.parked":
      return [`parked: nothing runs until an answer to ${record.waits.join(" or ")}`];
    case "step.started": {
      const { step, effect, what, leaves } = record;
      if (leaves !== undefined) return [`${step} (external effect): sends ${leaves}`];
      return [`${step}${effect === "external" ? " (external effect)" : ""}: ${firstLine(what)}`];
    }
    case "step.completed":
      return stepLines(record);
    case "step.failed": {
      const { step, attempt, willRetry, failure } = record;
      const again = willRetry ? ", trying again" : "";
      return [`${step} failed (attempt ${attempt}${again}): ${failure.message}`];
    }
    case "wait.opened":
      return [`waiting at ${record.wait}: ${record.question}`, ...subjectLines(record)];
    case "wait.answered":
      return [answered(record)];
    case "session.ended":
      return ended(record);
  }
}

function started({ session, spec }: Of<"session.started">): readonly string[] {
  const image = spec.sandbox.image === null ? "" : ` (${spec.sandbox.image})`;
  const { replayOf, derivation, flow } = spec;
  const mode = derivation?.mode === "fork" ? "forked" : "replayed";
  const at = typeof derivation?.at === "string" ? `, again from ${derivation.at}` : "";
  const given = derivation?.overrides.map(({ select, field }) => `${select}.${field}`) ?? [];
  return [
    `session ${session} started: ${spec.goal}`,
    ...(replayOf === null ? [] : [`${mode} from session ${replayOf}${at}`]),
    ...(given.length === 0 ? [] : [`given by hand: ${given.join(", ")}`]),
    ...(flow === undefined || flow.name === "agent"
      ? []
      : [`flow ${flow.name}, version ${flow.version}`]),
    `profile ${spec.profile.name}, model ${spec.model.name}, sandbox ${spec.sandbox.backend}${image}`,
    ...(spec.sandbox.limits === "" ? [] : [spec.sandbox.limits]),
  ];
}

function answered({ wait, by, ended: how, answer }: Of<"wait.answered">): string {
  const who = `${by.user} (${by.surface})`;
  if (how === "aborted") return `${wait} taken back by ${who}: it ends without an answer`;
  if (how === "expired") return `${wait} expired: nobody answered in time`;
  return `${wait} answered by ${who}: ${JSON.stringify(answer)}`;
}

function ended({ status, output, failure, by, denied }: Of<"session.ended">): readonly string[] {
  const who = by === undefined ? "" : ` by ${by.user} (${by.surface})`;
  return [
    `session ${status}${who}`,
    ...output.split("\n").filter(Boolean),
    ...(failure === null ? [] : [`${failure.message} [${failure.code}]`]),
    ...(denied === 0 ? [] : [`${denied} denied`]),
  ];
}
