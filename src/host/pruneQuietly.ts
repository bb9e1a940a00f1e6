import type { Log } from "../core/ports.ts";
import type { Sessions } from "../core/sessions.ts";
import type { Folder } from "./folders.ts";
import { readSettings, retentionOf } from "./settings.ts";

/** Applies the retention settings to a store that was just opened. What it did is in the log. Never throws. */
export async function pruneQuietly(folder: Folder, sessions: Sessions, log: Log): Promise<void> {
  try {
    const policy = retentionOf(readSettings(folder.uri));
    if (policy === null) return;
    const { removed, bytesOver } = await sessions.prune(policy);
    for (const { session, reason } of removed) log(`deleted ${session}: ${reason}`);
    if (bytesOver > 0) log(`still ${bytesOver} bytes over the limit: what is left runs or waits`);
  } catch (error) {
    log(`old sessions were not deleted: ${error instanceof Error ? error.message : String(error)}`);
  }
}
