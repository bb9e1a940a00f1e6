import type { AuditTrail } from "./audit/auditTrail.ts";
import type { FlowDefinition } from "./core/flowDefinition.ts";
import type { DurableDriver, Log } from "./core/ports.ts";
import type { SessionRecord } from "./core/records.ts";
import type { Service } from "./core/service.ts";
import type { Secrets } from "./redaction/secrets.ts";
import type { Workers } from "./sandbox/workers.ts";
import type { EditorServices } from "./serviceParts.ts";

/** What an engine is made with. */
export interface EngineOptions {
  readonly workspace: string;
  /** Where the built worker files lie. */
  readonly dist: URL;
  /** The skills that ship with Cairn. */
  readonly shippedSkills: string;
  readonly version: string;
  readonly image: string;
  /** Null for the engine's usual socket. */
  readonly dockerSocket: string | null;
  /** Runtime of new sessions' containers; the engine's own choice when left out. */
  readonly runtime?: string | null;
  readonly gpus?: "all" | number | null;
  readonly environment: NodeJS.ProcessEnv;
  /** The key for an endpoint, null when there is none: no endpoint gets another's. */
  readonly apiKey: (url: string) => Promise<string | null>;
  readonly log: Log;
  readonly onRecord: (record: SessionRecord) => void;
  /** Where records are kept; the workspace's own store when left out. Closed with the engine. */
  readonly driver?: DurableDriver;
  /** The sandboxes of this process, where it has several engines; its own when left out. */
  readonly workers?: Workers;
  /** The audit log of this process, where it has several engines; its own when left out. */
  readonly audit?: AuditTrail;
  /** What this process knows to be secret, where it has several engines; its own when left out. */
  readonly secrets?: Secrets;
  /** Flows of one's own, beside the agent. */
  readonly flows?: readonly FlowDefinition[];
  /** A secret by its name, null when there is none; none at all when left out. */
  readonly secret?: (name: string) => Promise<string | null>;
  /** Names of all secrets: none of their values is ever on record. */
  readonly secretNames?: () => Promise<readonly string[]>;
  /** Services of one's own, beside those that ship. */
  readonly services?: readonly Service[];
  /** What the editor has for services; nothing in a terminal. */
  readonly editor?: EditorServices;
  /** Whether this process ends waits whose time is over; not for one that is gone in a moment. True when left out. */
  readonly watchesDeadlines?: boolean;
}
