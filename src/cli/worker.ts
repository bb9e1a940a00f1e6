import { once } from "node:events";
import type { Sessions } from "../core/sessions.ts";
import type { ScaleOut } from "../scaleOut.ts";
import { exitCodes } from "./exitCodes.ts";

/** Drives queued sessions until the first Ctrl+C or SIGTERM; what is under way goes on elsewhere. */
export async function worker(sessions: Sessions, scaleOut: ScaleOut): Promise<number> {
  await scaleOut.work(sessions);
  process.stderr.write("Working. Stop with Ctrl+C; what is under way goes on elsewhere.\n");
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  return exitCodes.done;
}
