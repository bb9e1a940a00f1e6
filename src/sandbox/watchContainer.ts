import type { Container } from "dockerode";
import { within } from "./within.ts";

/** A command may be silent for hours; only asking tells that from a container that is gone. */
const everyMs = 1_500;
const answerWithinMs = 4_000;

/** Asks for the container's state while something is awaited of it; calls `lost` once when it is not running. */
export function watchContainer(
  container: Container,
  lost: (cause: Error) => void,
): { end(): void } {
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  let pauses = 0;
  const look = async (): Promise<void> => {
    const problem = await problemOf(container);
    // One pause may be a snapshot that ended while we asked.
    pauses = problem === "paused" ? pauses + 1 : 0;
    if (over) return;
    if (problem === null || pauses === 1) next();
    else lost(new Error(`The container is ${problem}.`));
  };
  const next = (): void => {
    timer = setTimeout(() => void look(), everyMs);
    timer.unref();
  };
  next();
  return {
    end: () => {
      over = true;
      clearTimeout(timer);
    },
  };
}

async function problemOf(container: Container): Promise<string | null> {
  try {
    const answer = await within(answerWithinMs, container.inspect());
    if (answer === null) return "not reported on";
    const { Paused: paused, Running: running } = answer.State;
    return paused ? "paused" : running ? null : "not running";
  } catch {
    return "not there";
  }
}
