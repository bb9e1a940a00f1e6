import { assignedSecrets } from "./assignedSecrets.ts";
import { framedSecrets } from "./framedSecrets.ts";
import { knownSecrets } from "./knownSecrets.ts";
import { secretKinds, type SecretKind, type SecretSpan } from "./secretSpan.ts";
import { tokenSecrets } from "./tokenSecrets.ts";

const marker = String.raw`\[redacted: (?:${secretKinds.join("|")})\]`;
const markers = new RegExp(marker, "g");
const oneMarker = new RegExp(`^${marker}$`);

export function isMarker(text: string): boolean {
  return oneMarker.test(text);
}

export function markerOf(kind: SecretKind): string {
  return `[redacted: ${kind}]`;
}

/** How many of what kind are taken out of these texts. */
export function countMarkers(
  texts: readonly string[],
): Readonly<Partial<Record<SecretKind, number>>> {
  const found = texts.flatMap((text) => text.match(markers) ?? []);
  return Object.fromEntries(
    secretKinds.flatMap((kind) => {
      const count = found.filter((each) => each === markerOf(kind)).length;
      return count === 0 ? [] : [[kind, count]];
    }),
  );
}

/**
 * The text with a marker in place of each secret, and what was found. Markers that are there
 * already are kept, or become part of a larger find. Looks again until nothing is found, for what
 * is taken out can uncover a secret that was glued to it: so a second call never finds anything.
 * It ends, because each find takes away characters that were in no marker.
 */
export function redactText(
  text: string,
  forms: readonly string[],
): { readonly text: string; readonly found: readonly SecretKind[] } {
  const found: SecretKind[] = [];
  let current = text;
  for (;;) {
    const spans = secretsIn(current, forms);
    if (spans.length === 0) return { text: current, found };
    const parts: string[] = [];
    let past = 0;
    for (const { start, end, kind } of spans) {
      found.push(kind);
      parts.push(current.slice(past, start), markerOf(kind));
      past = end;
    }
    current = parts.join("") + current.slice(past);
  }
}

/** In order, without overlaps: what overlaps is one secret, named by its most telling kind. */
function secretsIn(text: string, forms: readonly string[]): readonly SecretSpan[] {
  // Zeros of the same length: nothing is found inside of a marker, and it ends every word.
  const masked = text.replace(markers, (each) => "\0".repeat(each.length));
  const spans = [
    ...tokenSecrets(masked),
    ...framedSecrets(masked),
    ...assignedSecrets(masked),
    ...knownSecrets(masked, forms),
  ].filter(({ start, end }) => /[^\0]/.test(masked.slice(start, end)));
  const merged: SecretSpan[] = [];
  for (const span of spans.toSorted((left, right) => left.start - right.start)) {
    const last = merged.at(-1);
    if (last === undefined || span.start >= last.end) {
      merged.push(span);
      continue;
    }
    const telling = secretKinds.find((kind) => kind === span.kind || kind === last.kind);
    const end = Math.max(last.end, span.end);
    merged[merged.length - 1] = { start: last.start, end, kind: telling ?? last.kind };
  }
  return merged;
}
