import * as z from "zod";
import { jsonValue, override, type JsonValue, type Override } from "../core/records.ts";
import { usageError } from "./usageError.ts";

/** `SELECTOR.FIELD=VALUE`; a value that is not JSON is text. Throws `usage.invalid` with the form. */
export function parseOverride(text: string): Override {
  const [, select = "", word = "", value = ""] = /^(.+?)\.([A-Za-z]+)=([\s\S]*)$/.exec(text) ?? [];
  const field = override.shape.field.safeParse(word);
  if (field.success) {
    const given = parseJson(value) ?? { value };
    return {
      select,
      field: field.data,
      value: field.data === "model" ? named(given.value, value) : given.value,
    };
  }
  throw usageError(
    `--override takes SELECTOR.input=JSON, SELECTOR.output=JSON, SELECTOR.model=NAME or SELECTOR.answer=JSON; not "${text}".`,
  );
}

/** Null when the text is not JSON. */
export function parseJson(text: string): { readonly value: JsonValue } | null {
  try {
    return { value: jsonValue.parse(JSON.parse(text)) };
  } catch {
    return null;
  }
}

/** A model's name may look like a number. */
function named(given: JsonValue, text: string): string {
  return z.string().safeParse(given).data ?? text;
}
