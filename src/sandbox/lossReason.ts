import type { Container } from "dockerode";
import type Docker from "dockerode";
import * as z from "zod";
import { within } from "./within.ts";

const answerWithinMs = 1_500;
/** What happened to a container is announced a moment after its streams end. */
const settleMs = 200;

const event = z.object({
  Action: z.string(),
  Actor: z
    .object({ Attributes: z.record(z.string(), z.string()).default({}) })
    .default({ Attributes: {} }),
});
type Event = z.infer<typeof event>;

/**
 * Why a container is no longer there, as the rest of a sentence. A container of ours is removed when
 * it ends, so its state is asked for first and what the engine remembers of it then.
 */
export async function lossReason(
  docker: Docker,
  container: Container,
  startedAt: number,
): Promise<string> {
  const state = await within(
    answerWithinMs,
    stateReason(container).catch(() => null),
  );
  if (state !== null && state !== "") return state;
  const events = await within(
    answerWithinMs,
    eventsOf(docker, container, startedAt).catch(() => null),
  );
  return events === null ? silent : eventReason(events);
}

/** Empty when nothing in its state says why, and when it has none any more. */
async function stateReason(container: Container): Promise<string> {
  try {
    const { State: state } = await container.inspect();
    if (state.OOMKilled) return outOfMemory;
    return state.Paused ? "was paused from outside" : "";
  } catch {
    return "";
  }
}

const silent = "lost its engine, which does not answer";
const outOfMemory = "ended because it was out of memory";

function eventReason(events: readonly Event[]): string {
  const happened = new Set(events.map(({ Action }) => Action));
  if (happened.has("stop")) return "was stopped from outside";
  if (happened.has("kill")) return "was killed or removed from outside";
  const end = events.find(({ Action }) => Action === "die");
  if (end === undefined) return "could not be reached any more";
  const code = end.Actor.Attributes["exitCode"] ?? "?";
  return code === "137" && happened.has("oom") ? outOfMemory : `ended with exit ${code}`;
}

async function eventsOf(
  docker: Docker,
  { id }: Container,
  startedAt: number,
): Promise<readonly Event[]> {
  const stream = await docker.getEvents({
    since: startedAt / 1000,
    until: (Date.now() + settleMs) / 1000,
    filters: { container: [id] },
  });
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => event.parse(JSON.parse(line)));
}
