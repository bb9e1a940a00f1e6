import { createServer, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import * as z from "zod";
import { chunk, done, event, fragment } from "../model/wire.ts";

/** What the model says in one reply, and the calls it makes beside it. */
export interface Reply {
  readonly text: string;
  readonly calls?: readonly { readonly id: string; readonly tool: string; readonly args: object }[];
  readonly usage?: { readonly input: number; readonly output: number };
}

const request = z.object({
  model: z.string(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.nullish(z.string()) })),
  tools: z.array(z.object({ function: z.object({ name: z.string() }) })).default([]),
});
export type Asked = z.infer<typeof request>;

export interface ScriptedServer {
  readonly url: string;
  /** Every request that was answered with a reply, in order. */
  readonly asked: readonly Asked[];
  /** The next request is refused with this status, once. */
  refuseWhen(matches: (asked: Asked) => boolean, status?: number): void;
  close(): Promise<void>;
}

/**
 * A model server of the real protocol. The n-th answer of a conversation is the n-th reply of the
 * script, so a request that is made again, by whatever process, gets the same one.
 */
export async function scriptedServer(replies: readonly Reply[]): Promise<ScriptedServer> {
  const asked: Asked[] = [];
  const refusals: { matches: (asked: Asked) => boolean; status: number }[] = [];
  const serve = (body: string, response: ServerResponse): void => {
    const parsed = request.parse(JSON.parse(body));
    const refusal = refusals.findIndex(({ matches }) => matches(parsed));
    const [refused] = refusal === -1 ? [] : refusals.splice(refusal, 1);
    if (refused !== undefined) {
      response.writeHead(refused.status, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: "a fault that the test put here" } }));
      return;
    }
    const said = parsed.messages.filter(({ role }) => role === "assistant").length;
    const reply = replies[said];
    if (reply === undefined) throw new Error(`the script has no reply ${said + 1}`);
    asked.push(parsed);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(streamOf(reply));
  };
  const server = createServer((incoming, response) => {
    text(incoming)
      .then((body) => serve(body, response))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked,
    refuseWhen: (matches, status = 400) => void refusals.push({ matches, status }),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function streamOf({ text: words, calls = [], usage }: Reply): string {
  const fragments = calls.map(({ id, tool, args }, index) =>
    fragment({
      index,
      id,
      type: "function",
      function: { name: tool, arguments: JSON.stringify(args) },
    }),
  );
  const { input, output } = usage ?? { input: 100, output: 10 };
  return [
    chunk({ content: words }),
    ...fragments,
    chunk({}, calls.length > 0 ? "tool_calls" : "stop"),
    event({
      choices: [],
      usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
    }),
    done,
  ].join("");
}
