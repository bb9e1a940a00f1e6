import type { Action } from "./core/action.ts";
import { canonical } from "./core/canonical.ts";
import type { EgressRequest, EgressRules } from "./core/egress.ts";
import { rulesFor } from "./core/egressDecision.ts";
import { proxyRules } from "./core/egressRules.ts";
import { isReading, requestWords, secretsOf } from "./core/egressWords.ts";
import type {
  AboutRequest,
  AuditLog,
  Egress,
  Log,
  SecretStore,
  WayOut,
  World,
} from "./core/ports.ts";
import type { SandboxProxyRule } from "./core/proxyRule.ts";
import type { Profile } from "./core/profileRecord.ts";
import { missingSecret } from "./core/secretText.ts";
import type { Secrets } from "./redaction/secrets.ts";
import type { ReadyRules } from "./rules/readyRules.ts";
import type { RuleBook } from "./rules/ruleBook.ts";

export interface EgressSourceOptions {
  readonly session: string;
  readonly profile: Profile;
  readonly rules: RuleBook;
  readonly ready: ReadyRules;
  readonly store: Pick<SecretStore, "read">;
  readonly secrets: Pick<Secrets, "register">;
  readonly audit: AuditLog;
  readonly world: Pick<World, "digest">;
  readonly log: Log;
}

/** Throws `secret.missing` for the first secret that a profile's rules name and nobody set. */
export async function requireSecrets(
  { name, proxy = [] }: Profile,
  read: SecretStore["read"],
): Promise<void> {
  for (const rule of proxy) {
    for (const secret of secretsOf(rule)) {
      if ((await read(secret)) === null) throw missingSecret(secret, ruleWords(rule, name));
    }
  }
}

type Holding = (request: EgressRequest) => Promise<void>;

/** How soon a rule that was taken back by another process ends, also while a command runs. */
const lookEveryMs = 2000;

/** What one session's proxy goes by, and what its flow sees of the proxy. */
export class EgressSource implements WayOut {
  readonly #options: EgressSourceOptions;
  #egress: Egress | null = null;
  #once: readonly SandboxProxyRule[] = [];
  /** What the proxy was told last, as text with no secret in it. */
  #told = "";
  #looking: NodeJS.Timeout | null = null;
  #holding: Holding | null = null;

  constructor(options: EgressSourceOptions) {
    this.#options = options;
  }

  /** The proxy as its sandbox starts and ends it, with a look at the rules from time to time. */
  around(egress: Egress): Egress {
    this.#egress = egress;
    return {
      listen: async (directory, door) => {
        await egress.listen(directory, door);
        this.#looking ??= setInterval(() => void this.#look(), lookEveryMs).unref();
      },
      serve: async (proxy, network) => egress.serve(proxy, network),
      renew: async () => egress.renew(),
      settle: async () => egress.settle(),
      takeRefused: () => egress.takeRefused(),
      close: async () => {
        if (this.#looking !== null) clearInterval(this.#looking);
        this.#looking = null;
        await egress.close();
      },
    };
  }

  /**
   * The rules as they are now, with the secrets that they name. Throws `secret.missing` for one of
   * the profile's, until the proxy listens; from then on what has no secret is refused when it is used.
   */
  async rules(): Promise<EgressRules> {
    const { profile, secrets, store } = this.#options;
    const { allowed, denied } = await this.#lists();
    const values = new Map<string, string>();
    for (const rule of allowed) {
      for (const name of secretsOf(rule)) {
        const value = values.get(name) ?? (await store.read(name));
        const isProfiles = profile.proxy?.includes(rule) === true;
        if (value === null && isProfiles && this.#looking === null) {
          throw missingSecret(name, ruleWords(rule, profile.name));
        }
        if (value === null) continue;
        secrets.register(value);
        values.set(name, value);
      }
    }
    return { allowed: [...allowed], denied: [...denied], secrets: Object.fromEntries(values) };
  }

  async renew(once: readonly SandboxProxyRule[]): Promise<void> {
    this.#once = once;
    await this.#renew();
  }

  hold(holding: Holding | null): void {
    this.#holding = holding;
  }

  /** Resolves when it is on record that a request goes out; where it throws, it must not. */
  async record(request: EgressRequest, rule: string): Promise<void> {
    if (!isReading(request)) await this.#holding?.(request);
    await this.#audit("sent", request, `by the rule ${rule}`);
  }

  async takeRefused(): ReturnType<WayOut["takeRefused"]> {
    await this.#egress?.settle();
    return this.#egress?.takeRefused() ?? [];
  }

  async about(request: EgressRequest): Promise<AboutRequest> {
    const { allowed } = await this.#lists();
    const [near] = rulesFor(request, allowed);
    return { near: near ?? null, ready: await this.#options.ready.find(request) };
  }

  async decided(action: Action, why: string): Promise<void> {
    if (action.egress !== undefined) await this.#audit("refused", action.egress, why, action);
  }

  async #audit(
    kind: "refused" | "sent",
    request: EgressRequest,
    outcome: string,
    decidedOn: Action | EgressRequest = request,
  ): Promise<void> {
    const { audit, session, world } = this.#options;
    const digest = world.digest(canonical(decidedOn));
    const none = { step: null, operation: null, by: null };
    await audit.write({ kind, session, ...none, digest, what: requestWords(request), outcome });
  }

  async #lists(): Promise<Pick<EgressRules, "allowed" | "denied">> {
    const { profile, rules, session } = this.#options;
    const of = { profile, session, folder: rules.folder };
    return proxyRules(of, await rules.current(), this.#once);
  }

  async #look(): Promise<void> {
    try {
      await this.#renew();
    } catch (error) {
      this.#options.log(`the rules of the proxy: ${String(error)}`);
    }
  }

  async #renew(): Promise<void> {
    const { allowed, denied, secrets } = await this.rules();
    const { digest } = this.#options.world;
    const told = digest(canonical([allowed, denied, secrets]));
    if (told === this.#told) return;
    await this.#egress?.renew();
    this.#told = told;
  }
}

function ruleWords(rule: SandboxProxyRule, profile: string): string {
  return `the proxy rule ${rule.name} of the profile ${profile}`;
}
