import * as z from "zod";
import type { Action } from "./action.ts";
import { canonical } from "./canonical.ts";
import { egressRefusal, egressRequest, type EgressRefusal, type EgressRequest } from "./egress.ts";
import { egressTool } from "./egressRules.ts";
import { originOf, requestWords } from "./egressWords.ts";
import type { World } from "./ports.ts";
import { readyRule, sandboxProxyRule, type SandboxProxyRule } from "./proxyRule.ts";
import { holdsMarker } from "./redactedMark.ts";
import type { SessionSpec, ToolOutput } from "./records.ts";
import type { WaitSubject } from "./waitSubject.ts";
import { verdict } from "./profileRecord.ts";

/** A request of a command that did not go out, and what was decided on it: a part of the command's result. */
export const refusedRequest = z.object({
  /** Null where not even the host could be read. */
  request: z.nullable(egressRequest),
  code: egressRefusal,
  /** By the rules as they were then; null where no rule could mend it. */
  verdict: z.nullable(verdict),
  why: z.string(),
  /** The rule that asks, as a sentence; null where the profile's default does. */
  rule: z.nullable(z.string()),
  /** Where a host that rules know lies, and who signs for it: a rule for more of it needs that, too. */
  near: z.exactOptional(
    z.object({
      addresses: z.exactOptional(z.array(z.string())),
      authority: z.exactOptional(z.string()),
    }),
  ),
  ready: z.exactOptional(readyRule),
});
export type RefusedRequest = z.infer<typeof refusedRequest>;

const withRefused = z.object({ refused: z.array(refusedRequest) });

/** What of a command's requests was refused, by its result. */
export function refusedIn({ data }: ToolOutput): readonly RefusedRequest[] {
  return withRefused.safeParse(data).data?.refused ?? [];
}

/** Whether a rule could let through what was refused so. */
export function isMendable(code: EgressRefusal): boolean {
  // What a rule asks about, a proxy cannot ask: it denies it.
  return code === "proxy.noRule" || code === "proxy.notCovered" || code === "proxy.denied";
}

/** The request as it is decided on. */
export function egressAction(
  {
    world,
    session,
    spec,
  }: { readonly world: World; readonly session: string; readonly spec: SessionSpec },
  egress: EgressRequest,
): Action {
  return {
    session,
    tool: egressTool,
    risk: "R3",
    args: world.digest(canonical(egress)),
    paths: [],
    egress,
    place: {
      sandbox: spec.sandbox.digest,
      cwd: null,
      env: null,
      network: [],
      secrets: [],
      stdin: null,
      timeoutMs: spec.profile.commandTimeoutMs,
    },
  };
}

/** So many lines are shown to the model. */
const mostLines = 20;

/** What the model is told of them, a line each: which, why, and what to do. */
export function refusedLines(refused: readonly RefusedRequest[]): readonly string[] {
  if (refused.length === 0) return [];
  const lines = refused.slice(0, mostLines).map((one) => {
    const what = one.request === null ? "A request" : requestWords(one.request);
    return `${what}: ${one.code}. ${nextStep(one)}`;
  });
  const more = refused.length - lines.length;
  return [
    "[The sandbox reaches only what rules allow. Refused:",
    ...lines,
    ...(more === 0 ? [] : [`and ${more} more`]),
  ].map((line, index, all) => (index === all.length - 1 ? `${line}]` : line));
}

function nextStep({ code, verdict: said, why }: RefusedRequest): string {
  if (said === "ask") return "It needs the operator's approval.";
  if (said === "allow") return "A rule allows it by now: run the command again.";
  return said === "deny" ? `${why} Do without it.` : advice[code];
}

const advice: Readonly<Record<EgressRefusal, string>> = {
  "proxy.noRule": "No rule could name this address. Do without it.",
  "proxy.notCovered": "No rule could name this address. Do without it.",
  "proxy.denied": "A rule denies it. Do without it.",
  "proxy.mismatch":
    "Its URL, its Host header and its TLS name are not one host: ask for it by one name.",
  "proxy.address": "Its address is not one of the open internet. Do without it.",
  "proxy.name": "The name has no address. Check its spelling.",
  "proxy.malformed": "It could be read in more than one way: ask for a plain URL.",
  "proxy.identity": "It does not come from this sandbox.",
  "proxy.tooLarge": "It is longer than its rule allows. Ask for less.",
  "proxy.noSecret": "A secret that its rule needs is not set, and only the operator can set it.",
  "proxy.held":
    "It may change something, and a replay sends nothing, nor does a session that cannot be recorded. Do without it.",
  "proxy.upstream": "The host did not answer as it should. Try again later, or do without it.",
};

type EgressSubject = Extract<WaitSubject, { kind: "egress" }>;
type Askable = RefusedRequest & { readonly request: EgressRequest };

/** Requests of one command to one host by one method: they are asked about together. */
export interface AskedCard {
  /** Host and method: what was rejected once is not asked about again. */
  readonly key: string;
  readonly refused: readonly Askable[];
  readonly proxy: SandboxProxyRule;
}

/** So many questions come of one command, and so many addresses of one question. */
const mostCards = 5;
const mostPaths = 20;

/** What to ask about, what is too much for that, and what no rule could name. */
export function cardsOf(refused: readonly RefusedRequest[]): {
  readonly cards: readonly AskedCard[];
  readonly tooMuch: readonly RefusedRequest[];
  readonly unnamed: readonly RefusedRequest[];
} {
  const groups = new Map<string, Askable[]>();
  const tooMuch: RefusedRequest[] = [];
  const unnamed: RefusedRequest[] = [];
  for (const one of refused) {
    const { request } = one;
    if (one.verdict !== "ask" || request === null) continue;
    const askable = { ...one, request };
    const key = keyOf(request);
    const group = groups.get(key) ?? [];
    const isTooMuch =
      group.length === mostPaths || (group.length === 0 && groups.size === mostCards);
    // A path with a secret in it is on record without it, and is no path any more.
    if (narrowRule([askable]) === null) unnamed.push(one);
    else if (isTooMuch) tooMuch.push(one);
    else groups.set(key, [...group, askable]);
  }
  const cards = [...groups].flatMap(([key, group]) => {
    const proxy = narrowRule(group);
    return proxy === null ? [] : [{ key, refused: group, proxy }];
  });
  return { cards, tooMuch, unnamed };
}

/** Whether its address had a secret in it, which is not on record. */
export function hadSecret({ request }: RefusedRequest): boolean {
  return request !== null && holdsMarker(requestWords(request));
}

/** What the operator sees of a card. */
export function egressSubject(
  context: Parameters<typeof egressAction>[0],
  { refused, proxy }: AskedCard,
  command: string,
): EgressSubject | null {
  const [first] = refused;
  if (first === undefined) return null;
  const { request, rule } = first;
  const origin = originOf(request.scheme, request.host, request.port);
  const ready = refused.find((one) => one.ready !== undefined)?.ready;
  return {
    kind: "egress",
    method: request.method ?? proxy.methods.join(", "),
    url: `${origin}${request.path ?? "/"}`,
    host: request.host,
    rule,
    command,
    actions: refused.map((one) => egressAction(context, one.request)),
    proxy,
    ...(ready === undefined ? {} : { ready }),
  };
}

export function keyOf({ scheme, host, port, method }: EgressRequest): string {
  return `${method ?? ""} ${originOf(scheme, host, port)}`;
}

/** Exactly these requests, as a rule; null where none can name them. */
function narrowRule(refused: readonly Askable[]): SandboxProxyRule | null {
  const [first] = refused;
  if (first === undefined) return null;
  const { request, near } = first;
  const { scheme, host, port, method } = request;
  const usual = scheme === "https" ? 443 : 80;
  const parsed = sandboxProxyRule.safeParse({
    name: nameOf(host),
    hosts: [host],
    ...(scheme === "https" ? {} : { scheme }),
    ...(port === usual ? {} : { ports: [port] }),
    // What was refused unseen can only be named as a whole, and only to read.
    methods: method === null ? ["GET", "HEAD"] : [method],
    paths: method === null ? ["/"] : [...new Set(refused.map((one) => one.request.path))],
    ...near,
  });
  return parsed.success ? parsed.data : null;
}

function nameOf(host: string): string {
  return `asked-${host.replaceAll(/[^a-z0-9]+/g, "-")}`.slice(0, 63);
}
