import * as z from "zod";
import type { CommandPart, RiskClass, ServiceCall } from "./action.ts";
import type { ToolDescription } from "./ports.ts";
import type { Observed } from "./inDoubt.ts";
import { jsonValue, type JsonValue, type ToolCall, type ToolOutput } from "./records.ts";
import type { Keeping } from "./profileRecord.ts";

/**
 * What a step changes. `none`: safe to repeat, recorded only. `workspace`: files of the session's
 * tree, undone by restoring the tree before it. `external`: anything else, never repeated silently.
 */
export type Effect = "none" | "workspace" | "external";

/**
 * What a tool changes. `reads`: nothing, but what it gives is the session's tree, so it keeps its
 * place among the calls that change it, and its result is of that tree only.
 */
export type ToolEffect = Effect | "reads";

export interface ToolRun {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Idempotency key for an effect; stable across crashes. */
  readonly operation: string;
  /** Set where a command runs by itself, read and not as text: these parts, there. */
  readonly alone?: { readonly parts: readonly CommandPart[]; readonly cwd: string };
}

interface ToolHead {
  readonly name: string;
  readonly describe: ToolDescription;
}

/** What a call of a typed service says of itself, since one tool stands for all of them. */
export interface ServiceUse {
  readonly call: ServiceCall;
  readonly risk: RiskClass;
  /** Names of the secrets that act for it. */
  readonly secrets: readonly string[];
  /** The address that it goes to; null for one that stays on this machine. */
  readonly address: string | null;
}

/** A checked call, ready for policy and for the operator's eyes. */
export type PreparedCall =
  | {
      readonly kind: "run";
      readonly args: JsonValue;
      readonly effect: ToolEffect;
      /** One line that shows what will run, made from the arguments that will run. */
      readonly what: string;
      /** The shell text that it runs; absent where it runs none of its caller's. */
      readonly command?: string;
      /** Files that its arguments name, as they name them. */
      readonly paths: readonly string[];
      /** Set for a call of a typed service, which runs on this machine and not in the sandbox. */
      readonly service?: ServiceUse;
      run(run: ToolRun): Promise<ToolOutput>;
      /** Looks, without changing anything, whether the call with this operation happened. */
      readonly observe: (operation: string) => Promise<Observed | null>;
    }
  | {
      readonly kind: "question";
      readonly args: JsonValue;
      readonly question: string;
      readonly choices: readonly string[];
    };

/** A tool as the turn loop sees it. */
export interface Tool extends ToolHead {
  /** How its calls are kept, where the tool has an opinion; a profile's goes before it. */
  readonly keep?: Keeping;
  /** Contract: never throws. Gives the call to run, or what to tell the model. */
  prepare(call: ToolCall): PreparedCall | { readonly kind: "refused"; readonly text: string };
}

export interface ToolDefinition<Args> {
  readonly name: string;
  readonly description: string;
  readonly args: z.ZodType<Args>;
  readonly effect: ToolEffect;
  readonly keep?: Keeping;
  what(args: Args): string;
  /** What of the arguments is shell text, where there is some: rules look at its words. */
  command?(args: Args): string;
  /** What of the arguments names files. */
  paths?(args: Args): readonly string[];
  run(args: Args, run: ToolRun): Promise<ToolOutput>;
  observe?(args: Args, operation: string): Promise<Observed>;
}

/** Puts the argument check in one place, in front of every tool. */
export function defineTool<Args extends JsonValue>(definition: ToolDefinition<Args>): Tool {
  return checkedTool(definition, (args) => ({
    kind: "run",
    args,
    effect: definition.effect,
    what: definition.what(args),
    ...(definition.command === undefined ? {} : { command: definition.command(args) }),
    paths: definition.paths?.(args) ?? [],
    run: async (run) => definition.run(args, run),
    observe: async (operation) => (await definition.observe?.(args, operation)) ?? null,
  }));
}

export interface QuestionDefinition<Args> {
  readonly name: string;
  readonly description: string;
  readonly args: z.ZodType<Args>;
  ask(args: Args): { readonly question: string; readonly choices: readonly string[] };
}

/** A tool that asks the operator: the turn loop runs it as a wait, never inside a step. */
export function defineQuestion<Args extends JsonValue>(definition: QuestionDefinition<Args>): Tool {
  return checkedTool(definition, (args) => ({ kind: "question", args, ...definition.ask(args) }));
}

/** A tool that judges each call by itself. `parameters` is what the model is told of the arguments; their own schema when left out. */
export function checkedTool<Args extends JsonValue>(
  definition: {
    readonly name: string;
    readonly description: string;
    readonly args: z.ZodType<Args>;
    readonly parameters?: JsonValue;
    readonly keep?: Keeping;
  },
  prepare: (args: Args) => ReturnType<Tool["prepare"]>,
): Tool {
  const { name, description, args: schema, keep } = definition;
  const { parameters = parametersOf(schema) } = definition;
  return {
    name,
    ...(keep === undefined ? {} : { keep }),
    describe: { name, description, parameters },
    prepare: (call) => {
      const args = parseArgs(call, schema);
      return "refused" in args ? { kind: "refused", text: args.refused } : prepare(args.value);
    },
  };
}

function parametersOf(args: z.ZodType): JsonValue {
  return jsonValue.parse(z.toJSONSchema(args, { target: "draft-7", io: "input" }));
}

function parseArgs<Args>(
  call: ToolCall,
  schema: z.ZodType<Args>,
): { readonly value: Args } | { readonly refused: string } {
  let raw: unknown;
  try {
    raw = JSON.parse(call.args);
  } catch {
    return {
      refused: `The arguments of ${call.tool} are not JSON. Nothing ran; call it again with a JSON object.`,
    };
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return { value: parsed.data };
  return {
    refused: `The arguments of ${call.tool} do not fit. Nothing ran.\n${z.prettifyError(parsed.error)}`,
  };
}
