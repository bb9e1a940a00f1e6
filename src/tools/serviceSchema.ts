import * as z from "zod";
import { jsonValue, type JsonValue } from "../core/records.ts";
import type { Profile, ServiceGrant } from "../core/profileRecord.ts";
import type { Service } from "../core/service.ts";
import { grantOf } from "../core/serviceGrant.ts";

const schemaObject = z.record(z.string(), jsonValue);
const objectSchema = z.looseObject({ properties: schemaObject });

/** What the model is told of the arguments: the allowed services, their allowed actions and values. */
export function serviceSchema(allowed: readonly Service[], profile: Profile): JsonValue {
  const shapes = allowed.map((service) => ({
    ...schemaObject.parse(narrowed(service.parameters, grantOf(profile, service.name) ?? {})),
    title: service.name,
  }));
  const [only, ...more] = shapes;
  return {
    type: "object",
    properties: {
      service: { type: "string", enum: allowed.map(({ name }) => name) },
      args: more.length === 0 && only !== undefined ? only : { anyOf: shapes },
    },
    required: ["service", "args"],
    additionalProperties: false,
  };
}

/** The schema of a service's arguments, with what a grant leaves of it. */
function narrowed(schema: JsonValue, { actions, args = {} }: ServiceGrant): JsonValue {
  const { $schema: _, ...whole } = schemaObject.parse(schema);
  const each = Object.entries(whole).map(([name, part]) => {
    if ((name !== "oneOf" && name !== "anyOf") || !Array.isArray(part)) return [name, part];
    const kept = part.filter((one) => actions === undefined || isOneOf(one, actions));
    return ["anyOf", kept.map((one) => limited(one, args))];
  });
  return limited(jsonValue.parse(Object.fromEntries(each)), args);
}

/** Whether a schema is that of one of these actions. */
function isOneOf(schema: JsonValue, actions: readonly string[]): boolean {
  const action = objectSchema.safeParse(schema).data?.properties["action"];
  const name = z.object({ const: z.string() }).safeParse(action).data?.const;
  return name !== undefined && actions.includes(name);
}

function limited(
  schema: JsonValue,
  args: Readonly<Record<string, readonly JsonValue[]>>,
): JsonValue {
  const parsed = objectSchema.safeParse(schema).data;
  if (parsed === undefined) return schema;
  const properties = Object.entries(parsed.properties).map(([name, part]) => {
    const values = Object.hasOwn(args, name) ? args[name] : undefined;
    return [name, values === undefined ? part : { enum: [...values] }];
  });
  return jsonValue.parse({ ...parsed, properties: Object.fromEntries(properties) });
}
