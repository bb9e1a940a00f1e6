import { CairnError } from "../core/errors.ts";
import { bundleLimits, type BundleLimits } from "./bundleFormat.ts";

/** The lines of a file as it is read, without their ends; none is held that is longer than the limit. */
export async function* bundleLines(
  chunks: AsyncIterable<Uint8Array>,
  limits: BundleLimits = bundleLimits,
): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let parts: Uint8Array[] = [];
  let held = 0;
  let lines = 0;
  const invalid = (what: string, cause?: unknown): CairnError =>
    new CairnError(
      "bundle.invalid",
      `Line ${lines} of the bundle ${what}. Export it again; nothing was stored.`,
      { cause, details: { line: lines } },
    );
  const hold = (part: Uint8Array): void => {
    held += part.length;
    if (held > limits.lineBytes) throw invalid(`has more than ${limits.lineBytes} bytes`);
    // The reader of a file may use its memory again.
    parts.push(Uint8Array.from(part));
  };
  const line = (): string => {
    const bytes = Buffer.concat(parts);
    parts = [];
    held = 0;
    try {
      return decoder.decode(bytes);
    } catch (error) {
      throw invalid("is not UTF-8", error);
    }
  };
  lines = 1;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      hold(chunk.subarray(start, end));
      yield line();
      lines += 1;
      start = end + 1;
    }
    hold(chunk.subarray(start));
  }
  if (held > 0) yield line();
}
