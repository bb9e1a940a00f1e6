import * as z from "zod";
import { sandboxProxyRule } from "./proxyRule.ts";

export const strategy = z.enum(["calls", "turn"]);
export type Strategy = z.infer<typeof strategy>;

/**
 * Whether an outcome may be used again. Within one attempt it always is: that is durability.
 * `session`: also by a retry and by replays. `workspace`: also by other sessions, for work without
 * effect and with the same key. `off`: a retry or a replay does it again.
 */
export const cacheMode = z.enum(["session", "workspace", "off"]);
export type CacheMode = z.infer<typeof cacheMode>;

/** Limits that a session stops and asks at; null is no limit. */
export const budgets = z.object({
  /** Input and output tokens as the provider counts them. */
  tokens: z.nullable(z.int().positive()),
  /** US dollars, by the price of the model. */
  money: z.nullable(z.number().positive()),
  modelCalls: z.nullable(z.int().positive()),
  /** Calls of tools that change the workspace or the world. */
  commands: z.nullable(z.int().positive()),
  wallTimeMs: z.nullable(z.int().positive()),
  /** How often the same call may fail the same way in a row. */
  sameFailure: z.nullable(z.int().positive()),
});
export type Budgets = z.infer<typeof budgets>;

export const noBudgets: Budgets = {
  tokens: null,
  money: null,
  modelCalls: null,
  commands: null,
  wallTimeMs: null,
  sameFailure: null,
};

/** US dollars for a million tokens. */
export const price = z.object({
  input: z.number().nonnegative(),
  cachedInput: z.number().nonnegative(),
  output: z.number().nonnegative(),
});
export type Price = z.infer<typeof price>;

/** How a tool's calls are kept, where it differs from the profile. */
export const keeping = z.object({
  /** Off: not a checkpoint. It runs again whenever the flow does; only for tools without effect. */
  checkpoint: z.exactOptional(z.boolean()),
  cache: z.exactOptional(cacheMode),
});
export type Keeping = z.infer<typeof keeping>;

export const verdict = z.enum(["allow", "ask", "deny"]);
export type Verdict = z.infer<typeof verdict>;

/** What becomes of an action that no rule is about, by its risk. */
export const riskDefaults = z.object({
  R0: verdict,
  R1: verdict,
  R2: verdict,
  R3: verdict,
  R4: verdict,
  /** Of every command, whatever it was read to do; absent: by its risk, too. */
  commands: z.exactOptional(verdict),
});
export type RiskDefaults = z.infer<typeof riskDefaults>;

/** What a profile says of one typed service. */
export const serviceGrant = z.strictObject({
  /** In place of the default for its risk, but where that denies. */
  decision: z.exactOptional(verdict),
  /** Its actions that there are; all when left out. */
  actions: z.exactOptional(z.array(z.string()).min(1)),
  /** Arguments that have to have one of these values, by name. */
  args: z.exactOptional(z.record(z.string(), z.array(z.json()).min(1))),
  /** Most calls in any 60 seconds. */
  callsPerMinute: z.exactOptional(z.int().positive()),
  /** Where it lies; a service without an address of its own needs none. */
  url: z.exactOptional(z.url({ protocol: /^https?$/ })),
});
export type ServiceGrant = z.infer<typeof serviceGrant>;

/** What an agent may do. Resolved once, recorded whole, so that a session never changes under way. */
export const profile = z.object({
  name: z.string(),
  instructions: z.string(),
  /** Tools the model is told of. A tool that is not listed does not exist for it. */
  tools: z.array(z.string()),
  /** Verdict by tool: rules of the session. */
  rules: z.record(z.string(), verdict),
  /** For what no rule is about. Absent in sessions from before there were any: all of it asks. */
  defaults: z.exactOptional(riskDefaults),
  /** Asks become denials: nobody is there to answer. */
  unattended: z.boolean(),
  /** `propose` ends a session that changed files with the question whether to apply them. */
  apply: z.enum(["propose", "onRequest"]),
  strategy,
  commandTimeoutMs: z.int().positive(),
  cache: cacheMode.default("session"),
  /** By tool. */
  keep: z.record(z.string(), keeping).default({}),
  budgets: budgets.default(noBudgets),
  /** By model; what is not listed is looked up in Cairn's own small table. */
  prices: z.record(z.string(), price).default({}),
  /** Tokens that a request and its answer may have together; null for what is known of the model. */
  contextTokens: z.nullable(z.int().positive()).default(null),
  /** How long a question or an approval stays open; then it is denied. Null is for ever. */
  answerWithinMs: z.nullable(z.int().positive()).default(null),
  /** What the sandbox may reach through the proxy. Absent and empty: nothing that nobody was asked about. */
  proxy: z.exactOptional(z.array(sandboxProxyRule)),
  /** Typed services that the model is told of, by name; absent and empty: none. */
  allowedServices: z.exactOptional(z.record(z.string(), serviceGrant)),
});
export type Profile = z.infer<typeof profile>;
