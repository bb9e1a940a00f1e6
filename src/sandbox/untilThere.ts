import { setTimeout as sleep } from "node:timers/promises";

const longestPauseMs = 100;

/** Asks again, after pauses that grow, until the answer is not null. */
export async function untilThere<T>(ask: () => Promise<T | null>): Promise<T> {
  for (let pause = 1; ; pause = Math.min(pause * 2, longestPauseMs)) {
    const answer = await ask();
    if (answer !== null) return answer;
    await sleep(pause);
  }
}
