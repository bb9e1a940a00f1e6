import type { OpenAI } from "openai";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { Model, ModelRequest } from "../core/ports.ts";
import type { ModelReply } from "../core/records.ts";
import { chatRequest } from "./chatRequest.ts";
import { malformed, refused, unreachable, type Endpoint } from "./modelFailure.ts";
import { ReplyAssembly } from "./replyAssembly.ts";

export interface OpenAiModelOptions {
  /** Base of the API, `https://host/v1`. */
  readonly url: string;
  /** Asked before every request, so that a new key counts at once. Null when none is set. */
  readonly apiKey: () => Promise<string | null>;
  /** How long to wait for the next byte. 60 seconds when left out. */
  readonly stallMs?: number;
}

const maxRefusalCharacters = 64 * 1024;

/**
 * Any endpoint that speaks Chat Completions. The `openai` client sends the request; the answer is
 * read here, because its own iterator ends quietly on a stream that was cut.
 */
export class OpenAiModel implements Model {
  readonly #options: OpenAiModelOptions;
  readonly #stallMs: number;

  /** Throws `usage.invalid` for a URL that cannot be one, or that carries a password. */
  constructor(options: OpenAiModelOptions) {
    const url = URL.parse(options.url);
    if (url === null || !/^https?:$/.test(url.protocol) || url.username + url.password !== "") {
      throw new CairnError(
        "usage.invalid",
        "The model URL is not valid. Give an http or https address without a user name or password.",
      );
    }
    this.#options = options;
    this.#stallMs = options.stallMs ?? 60_000;
  }

  async reply(request: ModelRequest, signal: AbortSignal): Promise<ModelReply> {
    try {
      signal.throwIfAborted();
      const { url } = this.#options;
      const { model: name } = request;
      const endpoint = { url, name, key: await this.#key() };
      const stall = new AbortController();
      const either = AbortSignal.any([signal, stall.signal]);
      const response = await this.#open(endpoint, chatRequest(request, name), either);
      const assembly = new ReplyAssembly(endpoint);
      const timer = setTimeout(() => stall.abort(), this.#stallMs);
      const broken = await read(response, assembly, timer).finally(() => clearTimeout(timer));
      signal.throwIfAborted();
      return assembly.finish(knownIds(request), broken);
    } catch (cause) {
      if (!signal.aborted) throw cause;
      throw new CairnError("cancelled", "The request to the model was cancelled.", { cause });
    }
  }

  async #key(): Promise<string> {
    const key = (await this.#options.apiKey())?.trim() ?? "";
    if (key === "") {
      throw new CairnError(
        "model.noKey",
        "No API key is set for the model. Set one with `Cairn: Set API Key` or --api-key-file.",
      );
    }
    if (!/^[\x21-\x7e]+$/.test(key)) {
      throw new CairnError(
        "model.noKey",
        "The API key holds a space or another character that no key has. Set it again with `Cairn: Set API Key` or --api-key-file.",
      );
    }
    return key;
  }

  /** Loads the client here, so that it costs nothing before the first request. */
  async #open(
    endpoint: Endpoint,
    body: OpenAI.ChatCompletionCreateParamsStreaming,
    signal: AbortSignal,
  ): Promise<Response> {
    const { APIError, OpenAI: Client } = await import("openai");
    // What is null or given here is otherwise read from environment variables.
    const client = new Client({
      baseURL: endpoint.url,
      apiKey: endpoint.key,
      adminAPIKey: null,
      organization: null,
      project: null,
      webhookSecret: null,
      logLevel: "off",
      maxRetries: 0,
      timeout: this.#stallMs,
      fetch: async (input, init) => send(input, init, endpoint.key),
    });
    try {
      return await client.chat.completions.create(body, { signal }).asResponse();
    } catch (error) {
      if (signal.aborted) throw error;
      if (!(error instanceof APIError) || error.status === undefined) {
        throw unreachable(endpoint, reasonOf(error), error);
      }
      throw refused(endpoint, {
        status: error.status,
        words: refusalWords.parse(error.error),
        retryAfterMs: retryAfter(error.headers),
      });
    }
  }
}

/**
 * Only these headers leave: the client would add facts about this machine, and whatever the
 * variable OPENAI_CUSTOM_HEADERS holds. A redirect is refused, it would take the conversation along.
 */
async function send(
  input: string | URL | Request,
  init: RequestInit | undefined,
  key: string,
): Promise<Response> {
  const headers = {
    accept: "text/event-stream",
    authorization: `Bearer ${key}`,
    "content-type": "application/json",
    "user-agent": "cairn",
  };
  const response = await fetch(input, { ...init, headers, redirect: "manual" });
  return response.ok ? response : firstPart(response);
}

/** A refusal with a body of bounded size; the client reads it to the end. */
async function firstPart(response: Response): Promise<Response> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      if (text.length > maxRefusalCharacters) break;
    }
  } catch {
    // The status says enough when the words break off.
  }
  const { status, headers } = response;
  return new Response(text === "" ? null : text, { status, headers });
}

/**
 * Feeds the assembly, and puts `stall` off with all that comes. Returns how the bytes broke off, or
 * undefined when they ended by themselves.
 */
async function read(
  response: Response,
  assembly: ReplyAssembly,
  stall: NodeJS.Timeout,
): Promise<unknown> {
  if (response.body === null) throw malformed("the answer is empty");
  try {
    for await (const bytes of response.body) {
      stall.refresh();
      assembly.push(bytes);
      if (assembly.done) break;
    }
  } catch (broken) {
    if (CairnError.is(broken)) throw broken;
    return broken;
  }
  return undefined;
}

function knownIds(request: ModelRequest): ReadonlySet<string> {
  return new Set(
    request.messages.flatMap((message) =>
      message.role === "assistant" ? message.toolCalls.map((call) => call.id) : [],
    ),
  );
}

/** `{"error": {"message": ...}}` with most providers, `{"error": "..."}` with some. */
const refusalWords = z
  .union([z.string(), z.object({ message: z.string() }).transform(({ message }) => message)])
  .catch("");

/** Milliseconds from `Retry-After`, which is seconds or a date; null when there is none. */
function retryAfter(headers: Headers | undefined): number | null {
  const value = headers?.get("retry-after") ?? null;
  if (value === null) return null;
  const seconds = Number(value);
  const ms = Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1000;
  return Number.isFinite(ms) ? Math.max(0, Math.round(ms)) : null;
}

/** The innermost code, such as ECONNREFUSED: the outer errors only say that fetch failed. */
function reasonOf(error: unknown): string {
  let reason = "no connection";
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    const coded = z.object({ code: z.string() }).safeParse(inner);
    if (coded.success) reason = coded.data.code;
    else if (/timed? ?out/i.test(inner.message)) reason = "timed out";
  }
  return reason;
}
