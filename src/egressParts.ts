import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import type { EgressRequest, EgressRules } from "./core/egress.ts";
import type { AuditLog, Egress, Log, WayOut, World } from "./core/ports.ts";
import type { SessionSpec } from "./core/records.ts";
import type { Profile } from "./core/profileRecord.ts";
import { EgressSource } from "./egressSource.ts";
import { SessionEgress } from "./proxy/sessionEgress.ts";
import type { Secrets } from "./redaction/secrets.ts";
import type { ProxyImage } from "./sandbox/proxyContainer.ts";
import { ReadyRules } from "./rules/readyRules.ts";
import type { RuleBook } from "./rules/ruleBook.ts";

export interface EgressPartsOptions {
  readonly workspace: string;
  /** Where the built proxy lies. */
  readonly dist: URL;
  readonly secrets: Secrets;
  /** A secret by its name; null when there is none. */
  readonly secret: (name: string) => Promise<string | null>;
  readonly audit: AuditLog;
  readonly world: World;
}

type Recording = (request: EgressRequest, rule: string) => Promise<void>;

/** Whether a session with this profile is nothing without a way out: it names what may leave. */
export function needsWayOut({ proxy = [] }: Pick<Profile, "proxy">): boolean {
  return proxy.length > 0;
}

/** Makes the ways out of one workspace's sandboxes. */
export class EgressParts {
  readonly #options: EgressPartsOptions;
  readonly #rules: RuleBook;
  readonly #ready: ReadyRules;

  constructor(options: EgressPartsOptions, rules: RuleBook) {
    this.#options = options;
    this.#rules = rules;
    const { workspace } = options;
    this.#ready = new ReadyRules({ workspace, home: homedir(), environment: process.env });
  }

  /** Null for a session that nothing may leave, and for a sandbox that has no programs of its own. */
  forSession(
    session: string,
    { profile, sandbox }: SessionSpec,
    log: Log,
  ): { readonly wayOut: WayOut; readonly egress: Egress } | null {
    const closed = (profile.proxy ?? []).length === 0 && profile.defaults?.R3 === "deny";
    if (closed || sandbox.backend === "embedded") return null;
    const { world, audit, secrets, secret } = this.#options;
    const [ready, store] = [this.#ready, { read: secret }];
    const given = { session, profile, ready, store, secrets, audit, world, log };
    const source = new EgressSource({ ...given, rules: this.#rules });
    const rules = async (): Promise<EgressRules> => source.rules();
    const record: Recording = async (request, rule) => source.record(request, rule);
    const egress = source.around(this.#proxy(rules, record, log));
    return { wayOut: source, egress };
  }

  /** One that lets nothing out, for a sandbox that is looked at. */
  closed(log: Log): Egress {
    const none = { allowed: [], denied: [], secrets: {} };
    return this.#proxy(
      async () => none,
      async () => undefined,
      log,
    );
  }

  /** What proxies are made from where a container's engine cannot reach a socket of this machine. */
  image(isNeeded: boolean): ProxyImage {
    const { dist } = this.#options;
    return {
      name: "cairn-proxy",
      recipe: fileURLToPath(new URL("../docker/proxy.Dockerfile", dist)),
      program: fileURLToPath(new URL("proxy.js", dist)),
      // Docker's usual network.
      outside: "bridge",
      isNeeded,
    };
  }

  #proxy(rules: () => Promise<EgressRules>, record: Recording, log: Log): Egress {
    const program = fileURLToPath(new URL("proxy.js", this.#options.dist));
    return new SessionEgress({ program, rules, record, closed: [], log });
  }
}
