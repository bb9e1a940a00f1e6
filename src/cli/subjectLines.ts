import type { FileChange, JsonValue, WaitSubject } from "../core/records.ts";
import type { OpenWait } from "../core/replay.ts";
import { utc } from "./utc.ts";
import { amount } from "../core/spending.ts";

type Image = Extract<WaitSubject, { kind: "image" }>;
type InDoubt = Extract<WaitSubject, { kind: "inDoubt" }>;

/** What a wait is about: all that an answer would be bound to, and until when. */
export function subjectLines({ subject, at, deadlineMs }: OpenWait): readonly string[] {
  const until = deadlineMs === undefined ? [] : [`open until ${utc(at + deadlineMs)}`];
  return [...about(subject), ...until];
}

function about(subject: WaitSubject): readonly string[] {
  switch (subject.kind) {
    case "tool": {
      const { what, where, reason } = subject;
      return [
        ...`$ ${what}`.split("\n"),
        `in ${where}`,
        ...(reason === "" ? [] : [`the model says: ${reason}`]),
      ];
    }
    case "question":
      return subject.choices.map((choice) => `- ${choice}`);
    case "apply":
      return subject.changes.flatMap(changeLines);
    case "inDoubt":
      return evidence(subject);
    case "budget": {
      const { budget, used, limit, add, next } = subject;
      return [
        `used ${amount(budget, used)} of ${amount(budget, limit)}; yes adds ${amount(budget, add)}`,
        `next: ${next}`,
      ];
    }
    case "image":
      return imageLines(subject);
    case "skillUpdate":
      return [
        `skills of ${subject.source}`,
        `from ${subject.from} to ${subject.to}`,
        ...subject.changes.flatMap(changeLines),
      ];
    case "form":
      return [
        ...(subject.about === null ? [] : json(subject.about)),
        ...(subject.schema === null
          ? []
          : ["the answer fits this schema:", ...json(subject.schema)]),
      ];
  }
}

/** All that an approval lets run, and what it does not give. */
function imageLines(subject: Image): readonly string[] {
  const { image, identity, file, dockerfile, context, env, commands, refused } = subject;
  return [
    `image ${image}`,
    `identity ${identity}`,
    `asked for by ${file}`,
    ...(dockerfile === null ? [] : [context, "built from:", ...dockerfile.split("\n")]),
    ...Object.entries(env).map(([name, value]) => `sets ${name}=${value}`),
    ...commands.map(({ name, command }) => `runs inside (${name}): ${command}`),
    ...refused.map((sentence) => `not given: ${sentence}`),
  ];
}

/** One changed file, with its diff. */
export function changeLines(given: FileChange): readonly string[] {
  const { path, change, diff, conflict, binary, guard } = given;
  if (conflict !== null) return [`left alone: ${path} (${conflict})`];
  return [
    `${change} ${path}${binary ? " (binary)" : ""}`,
    ...(guard === undefined ? [] : [`protected: ${guard}`]),
    ...(diff === null ? [] : diff.split("\n")),
  ];
}

/** What was sent, when, and what can be seen of it: enough to decide without guessing. */
function evidence({
  what,
  startedAt,
  operation,
  sent,
  observed,
  result,
}: InDoubt): readonly string[] {
  return [
    `started ${utc(startedAt)}: ${what}`,
    `operation ${operation}`,
    ...(sent === undefined ? [] : ["sent:", ...json(sent)]),
    ...(observed ?? "Nothing can be seen of its outcome from here.").split("\n"),
    ...(result === undefined ? [] : ["recorded if it happened:", ...json(result)]),
  ];
}

function json(value: JsonValue): readonly string[] {
  return JSON.stringify(value, null, 2).split("\n");
}
