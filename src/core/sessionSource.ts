import { derive, plainReplay } from "./derivation.ts";
import { CairnError } from "./errors.ts";
import type { FlowParts } from "./flowRun.ts";
import type { DurableDriver } from "./ports.ts";
import type { SessionSpec } from "./records.ts";

/** What a session was made from, null for one of its own. Throws `session.unknown` when that is gone. */
export async function sourceOf(
  driver: Pick<DurableDriver, "read">,
  session: string,
  spec: SessionSpec,
): Promise<NonNullable<FlowParts["source"]> | null> {
  if (spec.replayOf === null) return null;
  try {
    const all = await driver.read(spec.replayOf);
    const derivation = spec.derivation ?? derive(all, plainReplay);
    return { records: all.slice(0, derivation.upTo), derivation };
  } catch (error) {
    if (!CairnError.is(error, "session.unknown")) throw error;
    throw new CairnError(
      "session.unknown",
      `Session ${session} was made from session ${spec.replayOf}, which is gone; it can be read, not continued.`,
      { cause: error },
    );
  }
}
