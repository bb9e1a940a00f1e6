import * as z from "zod";
import { action } from "./action.ts";
import { readyRule, sandboxProxyRule } from "./proxyRule.ts";
import { toldRules } from "./toldRules.ts";

/** A file as it lies somewhere: an approval that is bound to it is bound to these bytes. */
export const fileState = z.object({ digest: z.string(), bytes: z.number(), exec: z.boolean() });
export type FileState = z.infer<typeof fileState>;

/** Three states of a file that the user changed since it was written; null is no file. */
export const contested = z.object({
  /** What was written, what lies in the folder instead, and what would replace that. */
  written: z.nullable(fileState),
  yours: z.nullable(fileState),
  theirs: z.nullable(fileState),
});
export type Contested = z.infer<typeof contested>;

/** One file that differs between two trees; `diff` is a unified diff, or null for a binary file. */
export const fileChange = z.object({
  path: z.string(),
  change: z.enum(["added", "modified", "deleted"]),
  diff: z.nullable(z.string()),
  binary: z.boolean(),
  /** Why the file cannot be applied, or null. */
  conflict: z.nullable(z.string()),
  /** What runs or obeys this file without asking; it has an approval of its own. Absent is nothing. */
  guard: z.exactOptional(z.string()),
  /** What it changes of the rules that hold in the folder; it is approved as such. Absent for other files. */
  rules: z.exactOptional(toldRules),
  /** On a conflict that an approval of its own may overrule: `change` and `diff` are then what a yes does to the user's file. */
  contested: z.exactOptional(contested),
});
export type FileChange = z.infer<typeof fileChange>;

export const budgetName = z.enum([
  "tokens",
  "money",
  "modelCalls",
  "commands",
  "wallTime",
  "sameFailure",
]);
export type BudgetName = z.infer<typeof budgetName>;

/** The exact thing that an approval is about. The card is rendered from it, its digest is bound to the answer. */
export const waitSubject = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("tool"),
    tool: z.string(),
    args: z.json(),
    /** One line that says what will run, made by the tool from the arguments. */
    what: z.string(),
    /** Where it runs, in words. */
    where: z.string(),
    /** What the model said beside the call. Labelled as its words wherever it is shown. */
    reason: z.string(),
    /** Exactly what is decided on; what starts after a yes is compared with it. */
    action: z.exactOptional(action),
    /** The rule that asks, as a sentence; null where the profile's default for its risk does. */
    rule: z.exactOptional(z.nullable(z.string())),
    /** How what it changes can be taken back, as a sentence. */
    undo: z.exactOptional(z.string()),
    /** In what the session's shell differs from a clean one; empty when it does not. */
    shell: z.exactOptional(z.string()),
    /** What else has to be known before a yes, as a sentence: what it runs that is not shown here. */
    note: z.exactOptional(z.string()),
  }),
  z.object({
    kind: z.literal("question"),
    question: z.string(),
    /** Empty for free text. */
    choices: z.array(z.string()),
  }),
  z.object({
    kind: z.literal("apply"),
    base: z.string(),
    tree: z.string(),
    changes: z.array(fileChange),
  }),
  z.object({
    kind: z.literal("inDoubt"),
    what: z.string(),
    startedAt: z.number(),
    operation: z.string(),
    /** What was sent, as it was sent. */
    sent: z.exactOptional(z.json()),
    /** What can be seen of the outcome from here, in words; null when nothing can. */
    observed: z.exactOptional(z.nullable(z.string())),
    /** What it looks like from here; absent when nothing can be told. */
    seen: z.exactOptional(z.enum(["happened", "partly", "absent"])),
    /** The result to record if it happened, when it could be read off; else absent. */
    result: z.exactOptional(z.json()),
  }),
  z.object({
    kind: z.literal("budget"),
    budget: budgetName,
    limit: z.number(),
    used: z.number(),
    /** What a yes adds to the limit. */
    add: z.number(),
    /** What comes next if it goes on. */
    next: z.string(),
  }),
  z.object({
    kind: z.literal("image"),
    image: z.string(),
    identity: z.string(),
    file: z.string(),
    /** The Dockerfile as it will be built, null for an image that exists. */
    dockerfile: z.nullable(z.string()),
    /** What goes into the build beside it, in words; empty for an image that exists. */
    context: z.string(),
    env: z.record(z.string(), z.string()),
    commands: z.array(z.object({ name: z.string(), command: z.string() })),
    refused: z.array(z.string()),
  }),
  z.object({
    kind: z.literal("egress"),
    method: z.string(),
    url: z.string(),
    /** Who gets it, as the proxy resolved it from the address. */
    host: z.string(),
    /** The rule that asks, as a sentence; null where the profile's default does. */
    rule: z.nullable(z.string()),
    /** The command that ran when it was asked for. */
    command: z.exactOptional(z.string()),
    /** Exactly what is decided on: one for each path that was asked for. */
    actions: z.exactOptional(z.array(action)),
    /** What a yes would let through, and no more. */
    proxy: z.exactOptional(sandboxProxyRule),
    /** A rule that the user's or the folder's own configuration names, and that covers it, too. */
    ready: z.exactOptional(readyRule),
  }),
  z.object({
    kind: z.literal("skillUpdate"),
    source: z.string(),
    /** What is in use now; null for the first time. */
    from: z.nullable(z.string()),
    to: z.string(),
    files: z.array(fileChange),
  }),
  z.object({
    kind: z.literal("rule"),
    /** What the rule would do, as a sentence; one a line where there are more. */
    sentence: z.string(),
    scope: z.string(),
    /** Who or what proposes it. */
    from: z.string(),
    /** What may become worse by it, as a sentence. */
    risk: z.exactOptional(z.string()),
    /** The file that would be written, and from which tree to which. */
    change: z.exactOptional(fileChange),
    base: z.exactOptional(z.string()),
    tree: z.exactOptional(z.string()),
    /** Rules that it adds, as data. */
    adds: z.exactOptional(z.array(z.json())),
  }),
  z.object({
    kind: z.literal("restoreConflict"),
    path: z.string(),
    /** What lies in the folder, and what would replace it, in words. */
    yours: z.string(),
    theirs: z.string(),
    /** From the one to the other; null for a binary file. */
    diff: z.nullable(z.string()),
    /** The same, exactly. */
    contested: z.exactOptional(contested),
    /** How a yes can be taken back, as a sentence. */
    undo: z.exactOptional(z.string()),
  }),
  z.object({
    kind: z.literal("form"),
    /** What the flow shows beside its question; null when it shows nothing. */
    about: z.json(),
    /** JSON Schema (draft 7) of the answer; null where the kind of wait says it all. */
    schema: z.json(),
  }),
]);
export type WaitSubject = z.infer<typeof waitSubject>;
