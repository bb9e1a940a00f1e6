import type * as z from "zod";
import { CairnError, type CairnErrorCode } from "../core/errors.ts";
import type { ServiceHttp, ServiceRequest } from "../core/service.ts";

const timeoutMs = 5000;
const mostBytes = 1_000_000;

/** The way to one address, for one call of a service. */
export function serviceHttp(
  address: string | null,
  { idempotencyKey, signal }: { readonly idempotencyKey: string; readonly signal: AbortSignal },
): ServiceHttp {
  return {
    send: async (request, body) => {
      const url = urlOf(address, request);
      const limit = AbortSignal.timeout(timeoutMs);
      try {
        const response = await fetch(url, {
          method: request.method,
          redirect: "manual",
          signal: AbortSignal.any([signal, limit]),
          headers: {
            accept: "application/json",
            "user-agent": "cairn",
            ...(request.json === undefined ? {} : { "content-type": "application/json" }),
            ...(idempotencyKey === "" ? {} : { "idempotency-key": idempotencyKey }),
            ...request.headers,
          },
          ...(request.json === undefined ? {} : { body: JSON.stringify(request.json) }),
        });
        return await answerOf(response, body);
      } catch (error) {
        signal.throwIfAborted();
        throw CairnError.is(error) ? error : unanswered(error, limit.aborted);
      }
    },
  };
}

/** No name in a request leads out of the address. */
function urlOf(address: string | null, { path, query = {} }: ServiceRequest): URL {
  if (address === null || path.some((name) => ["", ".", ".."].includes(name))) {
    throw failure("service.rejected", "There is no such address in it. Nothing was sent.", false);
  }
  const url = new URL(address);
  const base = url.pathname.replace(/\/+$/, "");
  url.pathname = [base, ...path.map((name) => encodeURIComponent(name))].join("/");
  url.search = new URLSearchParams(query).toString();
  url.hash = "";
  return url;
}

async function answerOf<Body>(response: Response, body: z.ZodType<Body>): Promise<Body> {
  const { status, ok } = response;
  const text = await textOf(response);
  if (!ok) throw refused(response, text);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw failure("service.malformed", `It answered ${status}, and not with JSON.`, true, cause);
  }
  const fitting = body.safeParse(parsed);
  if (fitting.success) return fitting.data;
  const words = `It answered ${status} in another shape than expected.`;
  throw failure("service.malformed", words, true, fitting.error);
}

/** A larger answer is not read to its end. */
async function textOf({ body, status }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body ?? []) {
    size += part.byteLength;
    if (size > mostBytes) {
      const words = `It answered ${status} with more than ${mostBytes / 1e6} MB, which is not read.`;
      throw failure("service.malformed", words, true);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** What a status means for whoever called. */
function refused(response: Response, text: string): CairnError {
  const { status } = response;
  if (isSpent(response)) return tooMany(response);
  if ([401, 403, 407].includes(status)) {
    const words = `It does not accept the credential (${status}). Nothing was done. Only the user can mend that: say so, and go on without it.`;
    return failure("service.unauthorized", words, false);
  }
  if ([404, 410].includes(status)) {
    return failure(
      "service.notFound",
      `It has no such thing (${status}). Nothing was done.`,
      false,
    );
  }
  if (status >= 500) {
    return failure("service.unavailable", `It failed (${status}). It may work later.`, true);
  }
  if (status < 400) {
    const words = `It answered with a redirect (${status}), which is not followed.`;
    return failure("service.malformed", words, false);
  }
  const said = JSON.stringify(text.replaceAll(/\s+/g, " ").slice(0, 300));
  const words = `It refused the request (${status}). Nothing was done. It says: ${said}`;
  return failure("service.rejected", words, false);
}

/** Some say 403 for too many requests. */
function isSpent({ status, headers }: Response): boolean {
  const hints = headers.has("retry-after") || headers.get("x-ratelimit-remaining") === "0";
  return status === 429 || (status === 403 && hints);
}

function tooMany({ status, headers }: Response): CairnError {
  const pause = headers.get("retry-after") ?? "";
  const when = /^\d{1,6}$/.test(pause) ? `in ${pause} s` : "later";
  const words = `It has too many requests (${status}). Nothing was done. Try again ${when}.`;
  return failure("service.rateLimited", words, false);
}

/** Errors before a connection stood: nothing was sent. */
const unreached =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|UND_ERR_CONNECT)/;

function unanswered(error: unknown, late: boolean): CairnError {
  if (late) {
    const words = `It did not answer within ${timeoutMs / 1000} s.`;
    return failure("service.timeout", words, true, error);
  }
  const cause = error instanceof Error ? error.cause : null;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return unreached.test(code)
    ? failure("service.unavailable", `It cannot be reached (${code}).`, false, error)
    : failure("service.unavailable", "The connection ended before its answer.", true, error);
}

/** `done`: whether it may have been done all the same. */
function failure(code: CairnErrorCode, words: string, done: boolean, cause?: unknown): CairnError {
  return new CairnError(code, words, { cause, details: { done } });
}
