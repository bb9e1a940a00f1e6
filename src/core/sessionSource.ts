import { derive, plainReplay } from "./derivation.ts";
import { CairnError } from "./errors.ts";
import type { FlowParts } from "./flowRun.ts";
import type { DurableDriver } from "./ports.ts";
import type { SessionSpec } from "./records.ts";

/**
 * What came from elsewhere is nobody's promise here: its profile, its folder and its addresses are
 * not taken over into a session of one's own. Throws `session.readOnly`.
 */
export async function requireOwn(
  driver: Pick<DurableDriver, "list">,
  session: string,
): Promise<void> {
  const found = (await driver.list()).find((each) => each.session === session);
  if (found?.readOnly === true) throw foreignSession(session);
}

export function foreignSession(session: string): CairnError {
  return new CairnError(
    "session.readOnly",
    `Session ${session} is of another machine: it can be looked at, exported and deleted, not continued.`,
  );
}

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
