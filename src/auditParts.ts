import { createHmac } from "node:crypto";
import { join } from "node:path";
import { AnchorFiles } from "./audit/anchorFiles.ts";
import { AuditTrail } from "./audit/auditTrail.ts";
import type { AuditAnchors } from "./core/audit.ts";
import type { Log, Redactor } from "./core/ports.ts";
import { isGone, thisBoot, thisOwner } from "./durable/owner.ts";
import { stateRoot, storeKey } from "./durable/storePlace.ts";
import { Secrets } from "./redaction/secrets.ts";
import { world } from "./world.ts";

export interface AuditParts {
  readonly log: Log;
  /** Where anchors are kept beside Cairn's own directory. */
  readonly anchors?: readonly AuditAnchors[];
  readonly redactor?: Pick<Redactor, "text">;
}

/** The audit log of this user's sessions, in all folders. Whoever opens it closes it; nothing is made before the first entry. */
export function openAudit(environment: NodeJS.ProcessEnv, parts: AuditParts): AuditTrail {
  const root = stateRoot(environment);
  const { log, anchors = [], redactor = new Secrets().persisted } = parts;
  return new AuditTrail({
    directory: join(root, "audit"),
    anchors: [new AnchorFiles(join(root, "anchors")), ...anchors],
    key: createHmac("sha256", storeKey(root)).update("cairn audit log 1").digest(),
    owner: thisOwner(process.pid),
    boot: thisBoot(),
    isGone,
    redactor,
    now: () => world.now(),
    log,
  });
}
