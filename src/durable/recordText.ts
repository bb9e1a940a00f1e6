/** A record as a store keeps it. */
export interface PackedRecord {
  /** The record as JSON text, without an output that lies outside it. */
  readonly body: string;
  /** A large output as JSON text, null when there is none. */
  readonly payload: string | null;
  /** The key that its outcome is recalled by, null for one that no other session may use. */
  readonly recallKey: string | null;
}

/** The JSON text of a record's body from what was kept of it. */
export function bodyText({ body, payload }: Pick<PackedRecord, "body" | "payload">): string {
  return payload === null ? body : `${body.slice(0, -1)},"output":${payload}}`;
}
