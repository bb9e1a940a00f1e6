import { recordBody, type RecordBody, type SessionRecord } from "../core/records.ts";
import { corruptRecord } from "./storeError.ts";
import type { RecordTexts } from "./storedRecords.ts";

/** Makes records of texts; those that nobody checked yet are checked here. Throws `store.corrupt`. */
export function parseRecords(session: string, part: RecordTexts): readonly SessionRecord[] {
  const bodies = part.checked ? trusted(part) : checked(session, part);
  // The objects are ours alone, and copying ten thousand of them is felt.
  return bodies.map((body, index) => Object.assign(body, { session, seq: part.first + index }));
}

function trusted({ texts }: RecordTexts): readonly RecordBody[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked before it was signed, and the signature holds
  return JSON.parse(`[${texts}]`) as readonly RecordBody[];
}

function checked(session: string, { texts, first }: RecordTexts): readonly RecordBody[] {
  try {
    return [recordBody.parse(JSON.parse(texts))];
  } catch (error) {
    throw corruptRecord(session, first, "it does not read", error);
  }
}
