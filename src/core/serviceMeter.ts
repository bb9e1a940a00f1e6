import * as z from "zod";
import type { Permissions } from "./ports.ts";
import type { SessionRecord } from "./records.ts";
import type { Profile } from "./profileRecord.ts";
import { grantOf, waitMs } from "./serviceGrant.ts";
import { utcTime } from "./utcTime.ts";

/** When calls of services began, by service. */
export type BegunCalls = ReadonlyMap<string, readonly number[]>;

/** Holds a session to its profile's limits of calls in 60 seconds, over all processes that drive it. */
export class ServiceMeter {
  readonly #profile: Profile;
  readonly #now: () => number;
  readonly #past: () => Promise<BegunCalls>;
  #begun: Promise<Map<string, number[]>> | null = null;

  /** `past` is asked once, when it first matters. */
  constructor(profile: Profile, now: () => number, past: () => Promise<BegunCalls>) {
    this.#profile = profile;
    this.#now = now;
    this.#past = past;
  }

  /** Why one more call may not begin now, and when it may again; null when it may. */
  async refusal(service: string): Promise<string | null> {
    const most = grantOf(this.#profile, service)?.callsPerMinute;
    return most === undefined ? null : this.#refusalOf(service, most, await this.#known());
  }

  /** The same; where it is null, the call has begun. Calls that come at once are told apart. */
  async begin(service: string): Promise<string | null> {
    const most = grantOf(this.#profile, service)?.callsPerMinute;
    if (most === undefined) return null;
    const known = await this.#known();
    const refusal = this.#refusalOf(service, most, known);
    if (refusal === null) known.set(service, [...(known.get(service) ?? []), this.#now()]);
    return refusal;
  }

  /** Whoever decides, with these limits: nobody is asked about a call that could not be made. */
  permissions(given: Permissions): Permissions {
    return {
      decide: async (action) => {
        const ruling = await given.decide(action);
        if (action.service === undefined || ruling.verdict === "deny") return ruling;
        const why = await this.refusal(action.service.service);
        return why === null ? ruling : { verdict: "deny", rule: null, why };
      },
    };
  }

  #refusalOf(service: string, most: number, begun: BegunCalls): string | null {
    const now = this.#now();
    const left = waitMs(begun.get(service) ?? [], most, now);
    if (left === 0) return null;
    const times = most === 1 ? "once" : `${most} times`;
    return `The service ${service} may be called ${times} in a minute. It is free again in ${Math.ceil(left / 1000)} s, at ${utcTime(now + left)}.`;
  }

  async #known(): Promise<Map<string, number[]>> {
    this.#begun ??= this.#past().then(
      (past) => new Map(Array.from(past, ([service, times]) => [service, [...times]])),
    );
    return this.#begun;
  }
}

const answered = z.object({ data: z.object({ service: z.string() }) });

/** When calls of services began that have an outcome, by a session's records. What policy refused did not begin. */
export function begunCalls(records: readonly SessionRecord[], tool: string): BegunCalls {
  const begun = new Map<string, number[]>();
  for (const record of records) {
    if (record.kind !== "step.completed" || record.name !== tool || record.via !== "run") continue;
    const service = answered.safeParse(record.output).data?.data.service;
    if (service === undefined) continue;
    begun.set(service, [...(begun.get(service) ?? []), record.at - record.durationMs]);
  }
  return begun;
}
