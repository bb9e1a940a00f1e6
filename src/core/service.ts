import * as z from "zod";
import { CairnError } from "./errors.ts";
import type { Observed } from "./inDoubt.ts";
import { jsonValue, type JsonValue } from "./records.ts";

/**
 * What a service does. `reads`: looks at something on this machine. `none`: asks another machine,
 * and changes nothing there. `external`: changes something outside, and is never repeated silently.
 */
export type ServiceEffect = "reads" | "none" | "external";

/** One request to a service. There is no place in it for a host: that is the profile's to name. */
export interface ServiceRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Names below the service's address; each is escaped, and none is `.` or `..`. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: JsonValue;
}

/** The way to one service's own address, with the call's idempotency key on every request. */
export interface ServiceHttp {
  /**
   * Resolves with the answer's JSON when it says that it worked and has that shape. Follows no
   * redirect, reads no more than a megabyte, waits no more than five seconds. Throws `service.*`.
   */
  send<Body>(request: ServiceRequest, body: z.ZodType<Body>): Promise<Body>;
}

/** What a handler is handed. */
export interface ServiceRun<Args, Secret extends string = string> {
  readonly args: Args;
  /** A secret that the service declares. Throws `secret.missing`. */
  readonly secret: (name: Secret) => Promise<string>;
  /** The same after a crash and when it is tried again, another one in a fork and for a new call; empty without an effect. */
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
  readonly http: ServiceHttp;
}

/** A typed action of the host: the model names it and gives arguments, and sees the result. */
export interface ServiceDefinition<Args, Result, Secret extends string> {
  readonly name: string;
  /** For the model, in a sentence or two. */
  readonly description: string;
  /** An object; a service of several actions has one object for each, told apart by `action`. */
  readonly args: z.ZodType<Args>;
  readonly result: z.ZodType<Result>;
  readonly effect: ServiceEffect;
  /** Names of the secrets that act for it. */
  readonly secrets: readonly Secret[];
  /** Where it lies: as the profile says, or as this machine's settings do. Absent: nowhere, it needs no network. */
  readonly address?: "profile" | (() => string);
  /** It looks at the editor, so a terminal has none of it. */
  readonly needsEditor?: true;
  /** What a call does, in one line for the operator. */
  readonly what: (args: Args) => string;
  /** The result as the model reads it; JSON when left out. */
  readonly says?: (result: Result) => string;
  /** Contract: at most one request that changes something. Throws `service.*`; what else it throws is a bug. */
  readonly handler: (run: ServiceRun<Args, Secret>) => Promise<Result>;
  /** Looks, without changing anything, whether the call with this key happened. */
  readonly observe?: (run: ServiceRun<Args, Secret>) => Promise<Seen<Result>>;
}

/** What can be seen of a call; `result` is what it would have had, where that can be told. */
export type Seen<Result> = Omit<Observed, "result"> & { readonly result?: Result };

export interface ServiceOutcome {
  /** What the model reads. */
  readonly text: string;
  readonly result: JsonValue;
}

/** What a service is handed, but for the arguments. */
export type ServiceHands = Omit<ServiceRun<never>, "args">;

/** A checked call of a service. */
export interface PreparedService {
  readonly args: JsonValue;
  readonly what: string;
  /** Throws `service.*`, `secret.missing`. */
  run(hands: ServiceHands): Promise<ServiceOutcome>;
  /** Null where it cannot look. */
  readonly observe: ((hands: ServiceHands) => Promise<Seen<ServiceOutcome>>) | null;
}

/** A service as the tool and the profile's check see it. */
export interface Service {
  readonly name: string;
  readonly description: string;
  readonly effect: ServiceEffect;
  readonly secrets: readonly string[];
  readonly address: "profile" | (() => string) | null;
  readonly needsEditor: boolean;
  /** JSON Schema of its arguments. */
  readonly parameters: JsonValue;
  /** Contract: never throws. Gives the call to run, or which fields do not fit. */
  prepare(args: JsonValue): PreparedService | { readonly refused: string };
}

/** Puts the check of arguments and of results in one place, around every handler. */
export function defineService<Args extends JsonValue, Result extends JsonValue, S extends string>(
  definition: ServiceDefinition<Args, Result, S>,
): Service {
  const { name, description, effect, secrets, address = null, needsEditor = false } = definition;
  const schema = z.toJSONSchema(definition.args, { target: "draft-7", io: "input" });
  return {
    name,
    description,
    effect,
    secrets,
    address,
    needsEditor,
    parameters: jsonValue.parse(schema),
    prepare: (given) => {
      const parsed = definition.args.safeParse(given);
      if (!parsed.success) {
        const fields = z.prettifyError(parsed.error);
        return { refused: `The arguments of ${name} do not fit. Nothing ran.\n${fields}` };
      }
      return prepared(definition, parsed.data);
    },
  };
}

function prepared<Args extends JsonValue, Result extends JsonValue, S extends string>(
  definition: ServiceDefinition<Args, Result, S>,
  args: Args,
): PreparedService {
  const { handler, observe, says = (result) => JSON.stringify(result, null, 2) } = definition;
  const outcome = (result: Result): ServiceOutcome => ({ text: says(result), result });
  return {
    args,
    what: definition.what(args),
    run: async (hands) => outcome(checked(definition, await handler({ ...hands, args }))),
    observe:
      observe === undefined
        ? null
        : async (hands) => {
            const { result, ...seen } = await observe({ ...hands, args });
            return result === undefined ? seen : { ...seen, result: outcome(result) };
          },
  };
}

/** Types do not hold at run time: a handler that gives back something else is a failure with a name. */
function checked<Result extends JsonValue>(
  {
    name,
    result,
    effect,
  }: Pick<ServiceDefinition<never, Result, never>, "name" | "result" | "effect">,
  given: Result,
): Result {
  const parsed = result.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new CairnError(
    "service.invalid",
    `The service ${name} gave back another shape than it declares: ${z.prettifyError(parsed.error)}`,
    { cause: parsed.error, details: { service: name, done: effect === "external" } },
  );
}
