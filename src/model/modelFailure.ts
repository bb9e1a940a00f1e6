import { CairnError } from "../core/errors.ts";

/** Who is asked. `key` is here so that it can be cut out of whatever the provider says. */
export interface Endpoint {
  readonly url: string;
  readonly name: string;
  readonly key: string;
}

/** What a provider said when it refused, before or in the middle of an answer. */
export interface Refusal {
  readonly status: number;
  /** The provider's own words, empty when there were none. */
  readonly words: string;
  readonly retryAfterMs: number | null;
}

export const unauthorizedSentence =
  "The model endpoint refused the key. Set another with `Cairn: Set API Key` or --api-key-file.";

/** The refusal as an error. Never carries the provider's raw error, which may repeat the key. */
export function refused(endpoint: Endpoint, refusal: Refusal): CairnError {
  const { status, retryAfterMs } = refusal;
  const details = retryAfterMs === null ? { status } : { status, retryAfterMs };
  const words = quoted(endpoint, refusal.words);
  const place = shownUrl(endpoint.url);
  if (status === 401 || status === 403) {
    return new CairnError("model.unauthorized", unauthorizedSentence, { details });
  }
  if (status === 404) {
    return new CairnError(
      "model.notFound",
      `The endpoint ${place} does not know the model "${endpoint.name}". Check the model's name and the URL.${words}`,
      { details },
    );
  }
  if (status === 429) {
    return new CairnError(
      "model.rateLimited",
      `The model endpoint is limiting requests. Wait a moment and retry the session.${words}`,
      { details, retryable: true },
    );
  }
  if (status === 408 || status >= 500) {
    return new CairnError(
      "model.unavailable",
      `The model endpoint failed (${status}). Retry the session in a moment.${words}`,
      { details, retryable: true },
    );
  }
  if (status >= 300 && status < 400) {
    return new CairnError(
      "model.rejected",
      `The endpoint ${place} redirects elsewhere. Set the address that it redirects to as the model URL.`,
      { details },
    );
  }
  return new CairnError(
    "model.rejected",
    `The model endpoint rejected the request (${status}). Check that the model supports chat with tools.${words}`,
    { details },
  );
}

export function unreachable(endpoint: Endpoint, reason: string, cause: unknown): CairnError {
  return new CairnError(
    "model.unreachable",
    `Cannot reach the model endpoint ${shownUrl(endpoint.url)} (${reason}). Check the URL and your connection.`,
    { cause, retryable: true },
  );
}

export function malformed(what: string, cause?: unknown): CairnError {
  return new CairnError(
    "model.malformed",
    `The model endpoint did not answer as a chat completion stream: ${what}. Check that its URL is the base of an OpenAI-compatible API.`,
    { cause },
  );
}

export function cut(cause?: unknown): CairnError {
  return new CairnError(
    "model.cut",
    "The model's answer broke off before it was complete. Retry the session.",
    { cause, retryable: true },
  );
}

/** Without the query, where some providers want a key. */
function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** The provider's words on one short line, without the key. */
function quoted(endpoint: Endpoint, words: string): string {
  const line = words
    .replaceAll(endpoint.key, "[key]")
    .replaceAll(/[\p{C}\s]+/gu, " ")
    .trim();
  if (line === "") return "";
  return ` The provider says: "${line.length > 300 ? `${line.slice(0, 300)}…` : line}"`;
}
