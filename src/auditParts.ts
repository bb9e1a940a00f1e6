import { createHmac } from "node:crypto";
import { join } from "node:path";
import { AnchorFiles } from "./audit/anchorFiles.ts";
import { AuditTrail } from "./audit/auditTrail.ts";
import type { AuditAnchors } from "./core/audit.ts";
import type { Log, Redactor } from "./core/ports.ts";
import { isGone, thisBoot, thisOwner } from "./durable/owner.ts";
import { stateRoot, storeKey } from "./durable/storePlace.ts";
import { world } from "./world.ts";

export interface AuditParts {
  readonly log: Log;
  /** Where anchors are kept beside Cairn's own directory, for the log of this name. */
  readonly anchors?: (log: string) => AuditAnchors;
  readonly redactor: Pick<Redactor, "text">;
}

/** The audit log of this user's sessions, in all folders. Whoever opens it closes it; nothing is made before the first entry. */
export function openAudit(environment: NodeJS.ProcessEnv, parts: AuditParts): AuditTrail {
  const root = stateRoot(environment);
  const { log, anchors, redactor } = parts;
  let known: Uint8Array | null = null;
  // Not before it is needed: to look for the key is to make it.
  const key = (): Uint8Array =>
    (known ??= createHmac("sha256", storeKey(root)).update("cairn audit log 1").digest());
  return new AuditTrail({
    directory: join(root, "audit"),
    anchors: [
      new AnchorFiles(join(root, "anchors")),
      ...(anchors === undefined ? [] : [anchorsOf(() => anchors(nameOf(key())))]),
    ],
    get key() {
      return key();
    },
    owner: thisOwner(process.pid),
    boot: thisBoot(),
    isGone,
    redactor,
    now: () => world.now(),
    log,
  });
}

/** What a log is called outside of its directory. */
function nameOf(key: Uint8Array): string {
  return createHmac("sha256", key).update("name").digest("hex").slice(0, 12);
}

/** Anchors that are made when they are first asked for. */
function anchorsOf(make: () => AuditAnchors): AuditAnchors {
  let made: AuditAnchors | null = null;
  const there = (): AuditAnchors => (made ??= make());
  return {
    save: async (anchor) => there().save(anchor),
    load: async () => there().load(),
    forget: async (segment) => there().forget(segment),
  };
}
