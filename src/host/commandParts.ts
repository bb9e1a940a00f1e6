import type * as vscode from "vscode";
import type { AuditHistory } from "../core/audit.ts";
import type { AuditLog } from "../core/ports.ts";
import type { Folders } from "./folders.ts";
import type { KnownSessions } from "./knownSessions.ts";
import type { LogChannel } from "./log.ts";
import type { Operator } from "./operator.ts";
import type { Panel } from "./panel.ts";
import type { ReplayDocuments } from "./replayDocument.ts";
import type { PolicyDocuments } from "./policyDocuments.ts";
import type { StartNews } from "./startNews.ts";
import type { Runs } from "./runs.ts";

/** What the commands work with. */
export interface CommandParts {
  readonly folders: Folders;
  readonly known: KnownSessions;
  readonly runs: Runs;
  readonly panel: Panel;
  readonly operator: Operator;
  readonly replays: ReplayDocuments;
  readonly policy: PolicyDocuments;
  readonly news: StartNews;
  readonly audit: AuditHistory & AuditLog;
  readonly secrets: vscode.SecretStorage;
  readonly log: LogChannel;
}
