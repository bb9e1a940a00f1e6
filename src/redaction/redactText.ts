import { maskMarkers, markerOf, secretKinds, type SecretKind } from "../core/redactedMark.ts";
import { Anchors } from "./anchors.ts";
import { assignedSecrets } from "./assignedSecrets.ts";
import { frameAnchors, framedSecrets } from "./framedSecrets.ts";
import type { KnownSecrets } from "./knownSecrets.ts";
import { lowBytes } from "./lowBytes.ts";
import { nameAnchors } from "./secretName.ts";
import type { SecretSpan } from "./secretSpan.ts";
import { tokenAnchors, tokenSecrets } from "./tokenSecrets.ts";

const allAnchors = new Anchors([...tokenAnchors, ...frameAnchors, ...nameAnchors]);

/** How secrets are told. */
export interface Telling {
  readonly known: KnownSecrets;
  /**
   * What is kept and given back to the model loses only what is known or surely a secret, so that
   * ordinary files stay as they are. What leaves the machine loses all that may be one.
   */
  readonly sure: boolean;
}

/**
 * The text with a marker in place of each secret, and what was found. Markers that are there
 * already are kept, or become part of a larger find. Looks again until nothing is found, for what
 * is taken out can uncover a secret that was glued to it: so a second call never finds anything.
 * It ends, because each find takes away characters that were in no marker.
 */
export function redactText(
  text: string,
  telling: Telling,
): { readonly text: string; readonly found: readonly SecretKind[] } {
  const found: SecretKind[] = [];
  let current = text;
  for (;;) {
    const spans = secretsIn(current, telling);
    if (spans.length === 0) return { text: current, found };
    found.push(...spans.map(({ kind }) => kind));
    current = withMarkers(current, spans);
  }
}

export function withMarkers(text: string, spans: readonly SecretSpan[]): string {
  const parts: string[] = [];
  let past = 0;
  for (const { start, end, kind } of spans) {
    parts.push(text.slice(past, start), markerOf(kind));
    past = end;
  }
  return parts.join("") + text.slice(past);
}

/** In order, without overlaps: what overlaps is one secret, named by its most telling kind. */
export function secretsIn(text: string, { known, sure }: Telling): readonly SecretSpan[] {
  const masked = maskMarkers(text);
  const bytes = lowBytes(masked);
  const anchors = allAnchors.in(bytes);
  const spans = known.spans(masked, bytes);
  if (!anchors.isEmpty) {
    spans.push(
      ...tokenSecrets(masked, anchors),
      ...framedSecrets(masked, anchors, sure),
      ...assignedSecrets(masked, anchors, sure),
    );
  }
  if (spans.length === 0) return spans;
  return merged(spans.filter(({ start, end }) => /[^\0]/.test(masked.slice(start, end))));
}

function merged(spans: readonly SecretSpan[]): readonly SecretSpan[] {
  const joined: SecretSpan[] = [];
  for (const span of spans.toSorted((left, right) => left.start - right.start)) {
    const last = joined.at(-1);
    if (last === undefined || span.start >= last.end) {
      joined.push(span);
      continue;
    }
    const telling = secretKinds.find((kind) => kind === span.kind || kind === last.kind);
    const end = Math.max(last.end, span.end);
    joined[joined.length - 1] = { start: last.start, end, kind: telling ?? last.kind };
  }
  return joined;
}
