import type { DurableDriver } from "./core/ports.ts";
import type { SessionRecord } from "./core/records.ts";

/** How many other sessions of the folder count as its past, the newest first. */
const mostPast = 200;

/**
 * The records of the workspace's newest other sessions. One that cannot be read says nothing of the
 * past, and one that was imported is somebody else's.
 */
export async function pastOf(
  driver: Pick<DurableDriver, "list" | "read">,
  session: string,
): Promise<readonly (readonly SessionRecord[])[]> {
  const own = (await driver.list()).filter(({ readOnly }) => !readOnly);
  const names = own.map((summary) => summary.session);
  const others = names.filter((other) => other !== session).slice(0, mostPast);
  return Promise.all(others.map(async (other) => driver.read(other).catch(() => [])));
}
