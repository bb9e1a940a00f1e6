import { CairnError } from "../core/errors.ts";
import { recordBody, type JsonValue, type RecordBody } from "../core/records.ts";
import type { PackedRecord } from "./recordText.ts";

/** Outputs whose JSON is longer are kept outside their row, once however often they occur. */
const largeBytes = 32 * 1024;

/**
 * Checks a record before it is written, so that every record that is signed also reads, and gives
 * it as it will be read. Throws `usage.invalid`.
 */
export function packRecord(body: RecordBody): {
  readonly record: RecordBody;
  readonly packed: PackedRecord;
} {
  if (body.kind !== "step.completed") {
    const record = checked(body);
    return { record, packed: { body: asJson(record), payload: null, recallKey: null } };
  }
  const { output, key, cache, via } = body;
  // An output is any JSON value, and being written as JSON is its check.
  const record = checked({ ...body, output: null });
  const payload = asJson(output);
  const large = payload.length > largeBytes || Buffer.byteLength(payload) > largeBytes;
  return {
    record: { ...record, output },
    packed: {
      body: asJson({ ...record, output: large ? undefined : output }),
      payload: large ? payload : null,
      recallKey: cache === "workspace" && via === "run" ? key : null,
    },
  };
}

function checked<Body extends RecordBody>(body: Body): RecordBody & Pick<Body, "kind"> {
  const parsed = recordBody.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") ?? "";
  throw new CairnError(
    "usage.invalid",
    `A ${body.kind} record cannot be kept: ${where === "" ? "" : `${where}: `}${issue?.message ?? "it does not read"}.`,
    { cause: parsed.error },
  );
}

function asJson(value: JsonValue | RecordBody | object): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new CairnError("usage.invalid", "A record cannot be kept: it is not plain JSON.", {
      cause: error,
    });
  }
  if (text !== undefined) return text;
  throw new CairnError("usage.invalid", "A record cannot be kept: its output is missing.");
}
