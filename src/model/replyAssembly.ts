import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { ModelReply, Usage } from "../core/records.ts";
import { CallAssembly, callFragment } from "./callAssembly.ts";
import { EventStream } from "./eventStream.ts";
import { cut, malformed, refused, type Endpoint } from "./modelFailure.ts";

const piece = z.nullish(z.string()).transform((text) => text ?? "");
const choice = z.object({
  index: z.nullish(z.literal(0)),
  delta: z.nullish(
    z.object({ content: piece, refusal: piece, tool_calls: z.nullish(z.array(callFragment)) }),
  ),
  /** A whole message instead of pieces is another protocol. */
  message: z.nullish(z.never()),
  finish_reason: piece,
});
const chunk = z.object({
  choices: z.nullish(z.array(choice).max(1)),
  usage: z.optional(z.unknown()),
  error: z.optional(z.unknown()),
});

const tokens = z.int().nonnegative();
const wireUsage = z.object({
  prompt_tokens: tokens,
  completion_tokens: tokens,
  prompt_tokens_details: z.nullish(z.object({ cached_tokens: z.nullish(tokens) })),
});

const finishReasons = new Map<string, ModelReply["finishReason"]>([
  ["stop", "stop"],
  ["tool_calls", "toolCalls"],
  ["length", "length"],
  ["content_filter", "contentFilter"],
]);

/**
 * Builds one reply from the bytes of a stream, or throws: what a provider left open is never filled
 * in by guessing. Feed with `push`, then `finish` when the bytes end, however they ended.
 */
export class ReplyAssembly {
  readonly #endpoint: Endpoint;
  readonly #events = new EventStream();
  readonly #calls = new CallAssembly();
  #text = "";
  #finishReason: ModelReply["finishReason"] | null = null;
  #usage: Usage | null = null;
  #chunks = 0;
  #done = false;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** True once the provider closed the stream in its own words; what follows is not read. */
  get done(): boolean {
    return this.#done;
  }

  push(bytes: Uint8Array): void {
    for (const data of this.#events.push(bytes)) this.#take(data);
  }

  /**
   * The reply, with ids that differ from those in `taken`. `cause` is how the bytes ended, when
   * they did not end by themselves; it does not matter once the provider said why it stopped.
   */
  finish(taken: ReadonlySet<string>, cause?: unknown): ModelReply {
    if (!this.#done) this.#takeRest();
    const reason = this.#finishReason;
    if (reason === null) throw cut(cause);
    // A partial answer runs nothing: its last call may be half of what was meant.
    if (reason === "length" || reason === "contentFilter") {
      return { text: this.#text, toolCalls: [], finishReason: reason, usage: this.#usage };
    }
    const toolCalls = this.#calls.finish(taken);
    if (reason === "toolCalls" && toolCalls.length === 0) {
      throw malformed("it says that it calls tools, but calls none");
    }
    const finishReason = toolCalls.length > 0 ? "toolCalls" : "stop";
    return { text: this.#text, toolCalls, finishReason, usage: this.#usage };
  }

  /** Some providers leave out the last blank line; a stream that broke off ends in half an event. */
  #takeRest(): void {
    const rest = this.#events.end();
    if (rest === null || (rest !== "[DONE]" && !isJson(rest))) return;
    this.#take(rest);
  }

  #take(data: string): void {
    if (this.#done || data.trim() === "") return;
    if (data.trim() === "[DONE]") {
      if (this.#chunks === 0) throw malformed("it holds no answer");
      this.#done = true;
      return;
    }
    try {
      this.#takeChunk(chunk.parse(JSON.parse(data)));
    } catch (cause) {
      throw CairnError.is(cause) ? cause : malformed("an event is not a chunk of an answer", cause);
    }
  }

  #takeChunk({ choices, usage, error }: z.infer<typeof chunk>): void {
    if (error !== undefined && error !== null) throw this.#reported(error);
    const counted = wireUsage.safeParse(usage);
    if (counted.success) this.#usage = usageOf(counted.data);
    if (!choices && !counted.success) throw malformed("an event is not a chunk of an answer");
    this.#chunks += 1;
    for (const only of choices ?? []) this.#takeChoice(only);
  }

  #takeChoice({ delta, finish_reason }: z.infer<typeof choice>): void {
    if (delta) {
      const text = delta.content + delta.refusal;
      const fragments = delta.tool_calls ?? [];
      // A reason followed by more of the answer was not the last word.
      if (text !== "" || fragments.length > 0) this.#finishReason = null;
      this.#text += text;
      this.#calls.add(fragments);
    }
    if (finish_reason !== "") this.#finishReason = knownReason(finish_reason);
  }

  #reported(error: unknown): CairnError {
    const { status, words } = reportedError.parse(error);
    return refused(this.#endpoint, { status, words, retryAfterMs: null });
  }
}

/** The error object of a provider, in the middle of a stream that began with status 200. */
const reportedError = z
  .union([
    z.object({
      message: z.optional(z.string()).catch(undefined),
      code: z.optional(z.unknown()),
      type: z.optional(z.unknown()),
    }),
    z.string().transform((message) => ({ message, code: null, type: null })),
  ])
  .transform(({ message = "", code, type }) => ({
    status: statusOf(code, `${String(code)} ${String(type)}`),
    words: message,
  }));

function statusOf(code: unknown, kind: string): number {
  const status = Number(code);
  if (Number.isInteger(status) && status >= 400 && status < 600) return status;
  if (/rate_limit|quota/.test(kind)) return 429;
  if (/invalid_request|context_length/.test(kind)) return 400;
  return 500;
}

function knownReason(reason: string): ModelReply["finishReason"] {
  const known = finishReasons.get(reason);
  if (known === undefined) {
    const shown = reason.slice(0, 40).replaceAll(/[^\w -]/g, "?");
    throw malformed(`it stopped for an unknown reason, "${shown}"`);
  }
  return known;
}

function usageOf(counted: z.infer<typeof wireUsage>): Usage {
  return {
    inputTokens: counted.prompt_tokens,
    outputTokens: counted.completion_tokens,
    cachedTokens: counted.prompt_tokens_details?.cached_tokens ?? 0,
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
