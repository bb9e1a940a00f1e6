import { createHash, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { CairnError } from "../../../src/core/errors.ts";
import type { DurableDriver, World } from "../../../src/core/ports.ts";
import type { JsonValue } from "../../../src/core/records.ts";
import type { OpenWait } from "../../../src/core/replay.ts";
import { Session, type SessionParts } from "../../../src/core/session.ts";
import { startRecord } from "../../contracts/records.ts";
import { FakeSandbox } from "../../fakes/fakeSandbox.ts";
import { FakeTrees } from "../../fakes/fakeTrees.ts";
import { MemoryAudit } from "../../fakes/memoryAudit.ts";
import { ScriptedModel } from "../../fakes/scriptedModel.ts";
import { ledgerFlow } from "./ledgerFlow.ts";
import type { WorkLog } from "./workLog.ts";
import { profilePermissions } from "../../../src/core/policy.ts";
import { fakeCommandReader } from "../../fakes/fakeCommandReader.ts";
import { Secrets } from "../../../src/redaction/secrets.ts";

export const ledger = "ledger";
const by = { user: "dev", surface: "cli" } as const;

const world: World = {
  now: () => Date.now(),
  boot: () => null,
  newId: () => randomUUID().replaceAll("-", ""),
  digest: (text) => createHash("sha256").update(text).digest("hex"),
  sleep: async (ms, signal) => delay(ms, undefined, { signal }),
};

/**
 * Starts the session, or goes on with it however it stands, answers what it asks, and resolves
 * when it has ended. The operator is honest: an effect in doubt happened if the world shows it.
 */
export async function driveLedger(
  driver: DurableDriver,
  log: WorkLog,
  onRecord: () => void = () => {},
): Promise<Session> {
  const { signal } = new AbortController();
  const parts: SessionParts = {
    driver,
    world,
    model: new ScriptedModel([]),
    tools: [],
    trees: new FakeTrees(),
    sandbox: new FakeSandbox(),
    permissions: profilePermissions,
    commands: fakeCommandReader,
    grant: async () => {},
    audit: new MemoryAudit(),
    flows: [ledgerFlow(log)],
    redactor: new Secrets().persisted,
    onRecord: ({ seq, kind }) => {
      log.add("record", `${seq} ${kind}`);
      onRecord();
    },
  };
  const session = await openOrCreate(parts);
  let { status } = session.view;
  if (status === "running") status = await session.resume(signal);
  while (status === "waiting") {
    const [wait] = session.view.openWaits;
    if (wait === undefined) throw new Error("it waits for nothing");
    const answer = { wait: wait.wait, digest: wait.digest, by, value: answerTo(wait, log) };
    status = await session.answer(answer, signal);
  }
  return session;
}

async function openOrCreate(parts: SessionParts): Promise<Session> {
  try {
    return await Session.open(parts, ledger);
  } catch (error) {
    if (!CairnError.is(error, "session.unknown")) throw error;
  }
  const first = startRecord();
  if (first.kind !== "session.started") throw new Error("that starts no session");
  const flow = { name: ledger, version: 1, input: null };
  return Session.create(parts, ledger, { ...first.spec, flow });
}

function answerTo({ wait, waitKind }: OpenWait, log: WorkLog): JsonValue {
  if (waitKind === "gate") return true;
  if (waitKind === "text") return "thank you";
  if (waitKind !== "inDoubt") throw new Error(`nobody expected ${wait}`);
  const step = stepInDoubt(wait);
  return log.all("effect").includes(step)
    ? { choice: "happened", result: { note: step } }
    : { choice: "runAgain" };
}

/** The step that a wait about an effect in doubt belongs to. */
export function stepInDoubt(wait: string): string {
  return wait.replace(/\/inDoubt\/\d+$/u, "");
}
