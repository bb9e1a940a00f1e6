import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CairnError } from "../../src/core/errors.ts";
import type { Egress } from "../../src/core/ports.ts";
import { BubblewrapSandbox } from "../../src/sandbox/bubblewrapSandbox.ts";
import type { SandboxUnderTest } from "../contracts/sandbox.ts";

export interface BubblewrapUnderTest extends SandboxUnderTest {
  readonly sandbox: BubblewrapSandbox;
}

/** A sandbox over directories of its own. */
export async function bubblewrapPlace(egress: Egress | null = null): Promise<BubblewrapUnderTest> {
  const state = await mkdtemp(join(tmpdir(), "cairn-bubblewrap-"));
  const tree = join(state, "workspace");
  const lines: string[] = [];
  const sandbox = new BubblewrapSandbox({ tree, state, egress, log: (line) => lines.push(line) });
  const close = async (): Promise<void> => {
    await sandbox.stop();
    await rm(state, { recursive: true, force: true });
  };
  return { sandbox, tree, state, lines, close };
}

/** Why it cannot be tested here; null when it can. */
export async function whyNoBubblewrap(): Promise<string | null> {
  const place = await bubblewrapPlace();
  try {
    await place.sandbox.probe();
    return null;
  } catch (error) {
    // A place that does not keep its policy is a failure, not a reason to look away.
    if (!CairnError.is(error, "sandbox.unavailable")) throw error;
    return error.message;
  } finally {
    await place.close();
  }
}
