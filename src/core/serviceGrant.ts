import * as z from "zod";
import type { Action } from "./action.ts";
import { canonical } from "./canonical.ts";
import { CairnError } from "./errors.ts";
import type { JsonValue } from "./records.ts";
import type { Profile, ServiceGrant, Verdict } from "./profileRecord.ts";
import type { Service } from "./service.ts";

type Allowing = Pick<Profile, "allowedServices">;

/** What a profile says of a service; null when it does not allow it. */
export function grantOf({ allowedServices = {} }: Allowing, service: string): ServiceGrant | null {
  return Object.hasOwn(allowedServices, service) ? (allowedServices[service] ?? null) : null;
}

/** Why a profile does not allow a call at all, whatever else is decided; null when it may. */
export function serviceRefusal(
  profile: Pick<Profile, "name" | "allowedServices">,
  { service, args }: { readonly service: string; readonly args: JsonValue },
): string | null {
  const grant = grantOf(profile, service);
  if (grant === null) return `The service ${service} is not allowed. ${allowedWords(profile)}`;
  const given = fields.safeParse(args).data ?? {};
  const limited = {
    ...(grant.actions === undefined ? {} : { action: grant.actions }),
    ...grant.args,
  };
  for (const [name, values] of Object.entries(limited)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    const fits = values.some((one) => value !== undefined && canonical(one) === canonical(value));
    if (fits) continue;
    const list = values.map((one) => JSON.stringify(one)).join(", ");
    return `${name} of ${service} has to be one of ${list}.`;
  }
  return null;
}

const fields = z.record(z.string(), z.json());

function allowedWords({
  name,
  allowedServices = {},
}: Pick<Profile, "name" | "allowedServices">): string {
  const names = Object.keys(allowedServices).join(", ");
  return names === "" ? `The profile ${name} allows none.` : `Allowed are: ${names}.`;
}

/** What becomes of an allowed call where no rule is about it; null for the default of its risk. */
export function serviceVerdict({ service: call }: Action, profile: Profile): Verdict | null {
  if (call === undefined) return null;
  return grantOf(profile, call.service)?.decision ?? null;
}

const windowMs = 60_000;

/** How long until one more call may begin, by when earlier ones did; 0 for at once. */
export function waitMs(begun: readonly number[], most: number, now: number): number {
  // A clock that was set back must not close a service for longer than the window.
  const recent = begun.map((at) => Math.min(at, now)).filter((at) => at > now - windowMs);
  if (recent.length < most) return 0;
  const counts = recent.toSorted((left, right) => left - right)[recent.length - most] ?? now;
  return counts + windowMs - now;
}

/** Names of the secrets that act for what a profile allows. */
export function secretsOf(profile: Allowing, services: readonly Service[]): readonly string[] {
  const allowed = services.filter(({ name }) => grantOf(profile, name) !== null);
  return [...new Set(allowed.flatMap(({ secrets }) => secrets))];
}

/**
 * The profile of a new session, with those services alone that this place has, and what was left
 * out as a sentence each. Throws `service.unknown` and `profile.invalid` for what can never work.
 */
export function offered(
  profile: Profile,
  services: readonly Service[],
  hasEditor: boolean,
): { readonly profile: Profile; readonly leftOut: readonly string[] } {
  const { allowedServices } = profile;
  if (allowedServices === undefined) return { profile, leftOut: [] };
  const leftOut: string[] = [];
  const kept = Object.entries(allowedServices).filter(([name, grant]) => {
    const service = services.find((one) => one.name === name);
    if (service === undefined) throw unknown(profile, name, services);
    if (service.address === "profile" && grant.url === undefined) throw homeless(profile, name);
    if (!service.needsEditor || hasEditor) return true;
    leftOut.push(`${name} needs the editor, and is not offered here.`);
    return false;
  });
  return { profile: { ...profile, allowedServices: Object.fromEntries(kept) }, leftOut };
}

function unknown(
  { name: profile }: Profile,
  name: string,
  services: readonly Service[],
): CairnError {
  const names = services.map((one) => one.name).join(", ");
  return new CairnError(
    "service.unknown",
    `The profile ${profile} allows the service ${name}, which does not exist. There are: ${names}.`,
  );
}

function homeless({ name: profile }: Profile, name: string): CairnError {
  return new CairnError(
    "profile.invalid",
    `The profile ${profile} allows ${name} and does not say where it lies. Add its url, as in "${name}": { "url": "https://…" }.`,
  );
}
