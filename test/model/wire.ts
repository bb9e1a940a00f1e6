/** One event of a stream. */
export function event(data: unknown): string {
  return `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
}

/** One chunk with this delta. */
export function chunk(delta: object, reason: string | null = null): string {
  return event({ choices: [{ index: 0, delta, finish_reason: reason }] });
}

/** One chunk with a fragment of a tool call. */
export function fragment(call: object): string {
  return chunk({ tool_calls: [call] });
}

export const done = event("[DONE]");
