import { Transform, type TransformCallback } from "node:stream";
import { createBrotliDecompress, createUnzip, createZstdDecompress } from "node:zlib";
import type { EgressRefusal } from "../core/egress.ts";
import type { Echoes, EchoStream } from "./echoes.ts";
import { type RawHeaders, valuesOf } from "./messageHeaders.ts";
import { Refusal } from "./refusal.ts";

/** Counts what goes through, and lets no more through than may. */
export class Bounded extends Transform {
  bytes = 0;
  readonly #most: number;

  constructor(most: number) {
    super();
    this.#most = most;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length;
    if (this.bytes > this.#most) done(new Refusal("proxy.tooLarge"));
    else done(null, chunk);
  }
}

/** Lets through what has no echo in it. */
class WithoutEchoes extends Transform {
  readonly #stream: EchoStream;

  constructor(stream: EchoStream) {
    super();
    this.#stream = stream;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    done(null, this.#stream.push(chunk));
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#stream.end());
  }
}

/** What is known of a body before it comes. */
interface Expected {
  readonly echoes: Echoes | null;
  readonly isEmpty: boolean;
  /** Bytes that the rule allows; null where it does not say. */
  readonly most: number | null;
  readonly unfoldedBytes: number;
}

/** What a body goes through on its way to the sandbox, or why it does not go there at all. */
export function answerBody(
  raw: RawHeaders,
  { echoes, isEmpty, most, unfoldedBytes }: Expected,
):
  | { readonly refused: null; readonly received: Bounded; readonly stages: readonly Transform[] }
  | { readonly refused: EgressRefusal } {
  const codings = valuesOf(raw, "transfer-encoding");
  if (codings.some((coding) => coding.toLowerCase() !== "chunked")) {
    return { refused: "proxy.upstream" };
  }
  if (isEmpty) return { refused: null, received: new Bounded(Infinity), stages: [] };
  const lengths = valuesOf(raw, "content-length");
  if (lengths.some((length) => Number(length) > (most ?? Infinity))) {
    return { refused: "proxy.tooLarge" };
  }
  const received = new Bounded(most ?? Infinity);
  if (echoes === null) return { refused: null, received, stages: [] };
  const decoding = decoders(valuesOf(raw, "content-encoding"));
  if (decoding === null) return { refused: "proxy.upstream" };
  const unfolded = decoding.length === 0 ? [] : [new Bounded(most ?? unfoldedBytes)];
  const without = new WithoutEchoes(echoes.stream());
  return { refused: null, received, stages: [...decoding, ...unfolded, without] };
}

/** What takes these codings away, as `Content-Encoding` names them; null for one that is not known. */
function decoders(codings: readonly string[]): readonly Transform[] | null {
  const found = codings
    .flatMap((value) => value.split(","))
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity")
    .map(decoder);
  // The last one was put on last. Nobody means more than two.
  const known = found.filter((each) => each !== null);
  return known.length < found.length || known.length > 2 ? null : known.toReversed();
}

function decoder(coding: string): Transform | null {
  switch (coding) {
    case "gzip":
    case "x-gzip":
    case "deflate":
      return createUnzip();
    case "br":
      return createBrotliDecompress();
    case "zstd":
      return createZstdDecompress();
    default:
      return null;
  }
}
