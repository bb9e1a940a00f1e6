import { malformed } from "./modelFailure.ts";

const maxEventCharacters = 1024 * 1024;
const maxStreamBytes = 64 * 1024 * 1024;
const fields = ["data", "event", "id", "retry"];

/**
 * Cuts bytes into the data of server-sent events. Stricter than the standard, which skips what it
 * does not know: here an HTML page or a JSON document is an error on its first line.
 */
export class EventStream {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #bytes = 0;
  #line = "";
  #data: string[] = [];
  #dataCharacters = 0;
  #afterReturn = false;

  /** The data of every event that these bytes complete. */
  push(bytes: Uint8Array): readonly string[] {
    this.#bytes += bytes.byteLength;
    if (this.#bytes > maxStreamBytes) throw malformed("the answer is larger than 64 MB");
    let text = this.#decode(bytes);
    if (text === "") return [];
    if (this.#afterReturn && text.startsWith("\n")) text = text.slice(1);
    this.#afterReturn = text.endsWith("\r");
    const pieces = text.split(/\r\n|\r|\n/);
    const rest = pieces.pop() ?? "";
    const events: string[] = [];
    for (const piece of pieces) {
      const event = this.#endLine(this.#line + piece);
      this.#line = "";
      if (event !== null) events.push(event);
    }
    this.#line += rest;
    this.#checkSize(this.#line.length);
    return events;
  }

  /** What came after the last whole event, which may be whole or broken; null when nothing did. */
  end(): string | null {
    const line = this.#line;
    this.#line = "";
    // A stream may break off inside a field's name.
    if (!fields.some((field) => field.startsWith(line))) this.#endLine(line);
    return this.#endLine("");
  }

  #decode(bytes: Uint8Array): string {
    try {
      return this.#decoder.decode(bytes, { stream: true });
    } catch (cause) {
      throw malformed("it is not UTF-8 text", cause);
    }
  }

  #endLine(line: string): string | null {
    if (line === "") {
      const event = this.#data.length === 0 ? null : this.#data.join("\n");
      this.#data = [];
      this.#dataCharacters = 0;
      return event;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon === -1 ? line : line.slice(0, colon);
    if (!fields.includes(field)) throw malformed("it is not an event stream");
    if (field !== "data") return null;
    const value = colon === -1 ? "" : line.slice(colon + 1);
    this.#checkSize(value.length);
    this.#data.push(value.startsWith(" ") ? value.slice(1) : value);
    // One more for the line break that joins it.
    this.#dataCharacters += value.length + 1;
    return null;
  }

  #checkSize(more: number): void {
    if (this.#dataCharacters + more > maxEventCharacters) {
      throw malformed("one event is larger than 1 MB");
    }
  }
}
