import type * as vscode from "vscode";
import type { Folders } from "./folders.ts";
import type { KnownSessions } from "./knownSessions.ts";
import type { LeftOutNews } from "./leftOutNews.ts";
import type { LogChannel } from "./log.ts";
import type { Operator } from "./operator.ts";
import type { Panel } from "./panel.ts";
import type { ReplayDocuments } from "./replayDocument.ts";
import type { SandboxPolicy } from "./sandboxPolicy.ts";
import type { Runs } from "./runs.ts";

/** What the commands work with. */
export interface CommandParts {
  readonly folders: Folders;
  readonly known: KnownSessions;
  readonly runs: Runs;
  readonly panel: Panel;
  readonly operator: Operator;
  readonly replays: ReplayDocuments;
  readonly policy: SandboxPolicy;
  readonly leftOut: LeftOutNews;
  readonly secrets: vscode.SecretStorage;
  readonly log: LogChannel;
}
