import type * as z from "zod";
import { CairnError } from "./errors.ts";
import type { Flow } from "./flow.ts";
import type { Leaving } from "./leaving.ts";
import type { CommandReader, Model, Permissions, WayOut, WorkspaceTrees, World } from "./ports.ts";
import type { JsonValue, SessionSpec } from "./records.ts";
import type { Tool } from "./tool.ts";
import type { Workspace } from "./workspace.ts";

/** What a flow function is run with. */
export interface FlowContext {
  readonly flow: Flow;
  /** The session's id. */
  readonly session: string;
  readonly world: World;
  readonly spec: SessionSpec;
  readonly model: Model;
  readonly tools: ReadonlyMap<string, Tool>;
  /** Who decides what its tools may do, and who reads their commands for it. */
  readonly permissions: Permissions;
  readonly commands: CommandReader;
  readonly workspace: Workspace;
  /** How its sandbox reaches anything; null where it cannot. */
  readonly wayOut: WayOut | null;
  /** What its commands may send, from one to the next. */
  readonly leaving: Leaving;
  readonly trees: WorkspaceTrees;
  /** Milliseconds that the session was driven so far, from its records. */
  readonly activeMs: () => number;
  /** What the model has to know of the place it works in, empty when there is nothing. */
  readonly remarks: string;
  readonly signal: AbortSignal;
}

/** A flow that sessions can run. Its return value is the session's result, null included. */
export interface FlowDefinition {
  readonly name: string;
  /** To be raised with every change that moves, adds or removes a step, or changes what goes into a key. */
  readonly version: number;
  /** Throws `flow.invalid` for an input that the flow cannot take, while there is nothing to lose. */
  check?(input: JsonValue): void;
  /** Throws as `check`. */
  run(context: FlowContext, input: JsonValue): Promise<JsonValue>;
}

/** A flow of one's own with a checked input. */
export function defineFlow<Input extends JsonValue>(definition: {
  readonly name: string;
  readonly version: number;
  readonly input: z.ZodType<Input>;
  run(context: FlowContext, input: Input): Promise<JsonValue>;
}): FlowDefinition {
  const { name, version } = definition;
  const checked = (input: JsonValue): Input => {
    const parsed = definition.input.safeParse(input);
    if (parsed.success) return parsed.data;
    const fields = parsed.error.issues.map(
      ({ path, message }) => `${path.join(".") || "input"}: ${message}`,
    );
    throw new CairnError(
      "flow.invalid",
      `The input of ${name} does not fit: ${fields.join("; ")}.`,
      { cause: parsed.error },
    );
  };
  return {
    name,
    version,
    check: (input) => void checked(input),
    run: async (context, input) => definition.run(context, checked(input)),
  };
}

/** Throws `flow.unknown` with the names to choose from. */
export function findFlow(flows: readonly FlowDefinition[], name: string): FlowDefinition {
  const found = flows.find((flow) => flow.name === name);
  if (found !== undefined) return found;
  const names = flows.map((flow) => flow.name).join(", ");
  throw new CairnError("flow.unknown", `There is no flow ${name}. There are: ${names}.`, {
    details: { candidates: names },
  });
}
