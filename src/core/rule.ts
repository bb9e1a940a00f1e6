import * as z from "zod";
import { listed, proxyWords } from "./egressWords.ts";
import { proxyHost, sandboxProxyRule } from "./proxyRule.ts";
import { verdict } from "./profileRecord.ts";

/**
 * Who wrote a rule: the machine's administrator, the user, the folder (which can only tighten), or
 * one session: its profile, and what was allowed in it.
 */
export const ruleScope = z.enum(["managed", "user", "workspace", "session"]);
export type RuleScope = z.infer<typeof ruleScope>;

const line = z
  .string()
  .max(500)
  .regex(/^\P{Cc}*$/u, "has a control character");

/** What a rule may be about more closely than a tool. */
const aspects = ["command", "path", "proxy", "hosts", "service"] as const;

/**
 * What somebody decided once for many actions, as data. No patterns and no priorities: a word is a
 * word, and of all rules that fit, the strictest counts.
 */
export const rule = z
  .strictObject({
    id: z.string().regex(/^[\w.-]{1,100}$/, "is 1 to 100 letters, digits, dots and dashes"),
    decision: verdict,
    /** One tool by its name, or `*` for each. */
    tool: z.string().regex(/^(?:\*|[\w.-]{1,100})$/, "is the name of a tool, or *"),
    /** The first words of a command, as bash would hand them to the program; `more`: others may follow. */
    command: z.exactOptional(
      z.strictObject({ words: z.array(z.string()).min(1).max(1000), more: z.boolean() }),
    ),
    /** A file that the call names, from the root of the workspace; with a `/` at its end, all in a folder. */
    path: z.exactOptional(
      z
        .string()
        .min(1)
        .refine(
          (path) => !path.startsWith("/") && !path.split("/").includes(".."),
          "begins at the root of the workspace, without a leading / and without ..",
        ),
    ),
    /** Requests that leave a sandbox. What allows some says so with it. */
    proxy: z.exactOptional(sandboxProxyRule),
    /** Every request to these hosts, to deny it or to ask. */
    hosts: z.exactOptional(z.array(proxyHost).min(1).max(1000)),
    /** Calls of one typed service; `args`: only with one of these values each. */
    service: z.exactOptional(
      z.strictObject({
        name: z.string().min(1).max(100),
        args: z.exactOptional(z.record(z.string(), z.array(z.json()).min(1))),
      }),
    ),
    /** Only in this folder of the user. */
    folder: z.exactOptional(z.string().min(1)),
    /** Only in this session. */
    session: z.exactOptional(z.string().min(1)),
    /** For people. */
    note: z.exactOptional(line),
  })
  .refine((one) => aspects.filter((name) => one[name] !== undefined).length <= 1, {
    error: "has one of command, path, proxy, hosts and service",
  })
  .refine((one) => one.tool === "egress" || (one.proxy ?? one.hosts) === undefined, {
    error: 'is "egress" for a rule with proxy or hosts',
    path: ["tool"],
  })
  .refine((one) => one.tool !== "egress" || one.decision !== "allow" || one.proxy !== undefined, {
    error: "is needed to allow requests: it says which",
    path: ["proxy"],
  })
  .refine((one) => one.tool === "exec_service" || one.service === undefined, {
    error: 'is "exec_service" for a rule with a service',
    path: ["tool"],
  });
export type Rule = z.infer<typeof rule>;

/** The name of a folder's own rules, at its root. */
export const folderRules = "cairn.rules.json";

export interface ScopedRule {
  readonly rule: Rule;
  readonly scope: RuleScope;
}

/** All rules as they are now. */
export interface RuleSet {
  readonly rules: readonly ScopedRule[];
  /** Why some rules could not be read, in a sentence; nothing is allowed then. Null when all were. */
  readonly doubt: string | null;
}

export const noRules: RuleSet = { rules: [], doubt: null };

/** What a rule does, in one sentence: what is shown before it is saved, and wherever it decides. */
export function ruleSentence(one: Rule): string {
  return `${ruleVerbs[one.decision]} ${ruleObject(one)}.`;
}

export const ruleVerbs = { allow: "Allows", ask: "Asks before", deny: "Denies" } as const;

/** What a rule is about, and where. */
export function ruleObject(one: Rule): string {
  const where = [
    one.path === undefined ? "" : one.path.endsWith("/") ? ` in ${one.path}` : ` on ${one.path}`,
    one.session === undefined ? "" : " in this session",
    one.folder === undefined ? "" : ` in ${one.folder}`,
  ].join("");
  return `${subjectOf(one)}${where}`;
}

function subjectOf({ tool, command, proxy, hosts, service }: Rule): string {
  if (proxy !== undefined) return proxyWords(proxy);
  if (hosts !== undefined) return `every request to ${listed(hosts)}`;
  if (service !== undefined) return serviceWords(service);
  if (command !== undefined) {
    const words = command.words.map(shownWord).join(" ");
    return command.more ? `commands that begin with ${words}` : `the command ${words}`;
  }
  if (tool === "*") return "every call of every tool";
  if (tool === "egress") return "every request that leaves the sandbox";
  return tool === "exec" ? "every command" : `every call of ${tool}`;
}

function serviceWords({ name, args = {} }: NonNullable<Rule["service"]>): string {
  const bounds = Object.entries(args).map(
    ([arg, values]) => `${arg} ${values.map((value) => JSON.stringify(value)).join(" or ")}`,
  );
  const bound = bounds.length === 0 ? "" : ` with ${listed(bounds)}`;
  return `calls of the service ${name}${bound}`;
}

/** A word that could be read as something else stands in quotes. */
function shownWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word);
}
