import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import * as z from "zod";
import type { Message } from "../core/ports.ts";
import { demoReply, type DemoReply } from "./demoScript.ts";
import { DemoTeam } from "./demoTeam.ts";

export interface DemoServer {
  /** Base of the API, for `OpenAiModel`. */
  readonly url: string;
  /** Base of the demo's wiki and channel. */
  readonly team: string;
  /** The only key that it takes; new with every server. */
  readonly key: string;
  /** How many requests the script answered. */
  requests(): number;
  close(): Promise<void>;
}

interface Refusal {
  readonly status: number;
  readonly message: string;
}

const maxBodyBytes = 32 * 1024 * 1024;

const content = z.nullish(z.string()).transform((text) => text ?? "");
const wireCall = z.object({
  id: z.string(),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const wireMessage = z.discriminatedUnion("role", [
  z.object({ role: z.enum(["system", "user"]), content }),
  z.object({ role: z.literal("tool"), tool_call_id: z.string(), content }),
  z.object({ role: z.literal("assistant"), content, tool_calls: z.array(wireCall).default([]) }),
]);
const wireRequest = z.object({
  model: z.string(),
  messages: z.array(wireMessage).min(1),
  stream: z.literal(true),
});

/**
 * The demo behind the same protocol as a real model, so that the product has no second path for it.
 * Listens on 127.0.0.1 only and answers nobody without its key.
 */
export async function startDemoServer(): Promise<DemoServer> {
  const key = `demo-${crypto.randomUUID()}`;
  let host = "";
  let answered = 0;
  const team = new DemoTeam(key);
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/team/") === true && isLocal(request, host)) {
      answerTeam(team, request, response).catch(() => response.destroy());
      return;
    }
    const refusal = refusalOf(request, { host, key });
    if (refusal !== null) {
      refuse(request, response, refusal);
      return;
    }
    answer(request, response).then(
      (replied) => (answered += replied ? 1 : 0),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = z.object({ port: z.number() }).parse(server.address());
  host = `127.0.0.1:${port}`;
  return {
    url: `http://${host}/v1`,
    team: `http://${host}/team`,
    key,
    requests: () => answered,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A page in a browser can reach this port under another name; Host and Origin give it away. */
function isLocal({ headers: { host, origin } }: IncomingMessage, expected: string): boolean {
  return host === expected && origin === undefined;
}

function refusalOf(
  request: IncomingMessage,
  expected: { readonly host: string; readonly key: string },
): Refusal | null {
  const { authorization } = request.headers;
  if (!isLocal(request, expected.host)) {
    return { status: 403, message: "Only local programs may ask." };
  }
  if (authorization !== `Bearer ${expected.key}`) return { status: 401, message: "Wrong key." };
  if (request.url !== "/v1/chat/completions") return { status: 404, message: "No such path." };
  return request.method === "POST" ? null : { status: 405, message: "Only POST is answered." };
}

function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  request.resume();
  response.writeHead(refusal.status, { "content-type": "application/json", connection: "close" });
  response.end(JSON.stringify({ error: { message: refusal.message } }));
}

/** Returns whether the script replied: it does not to a request that it cannot read. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const body = await bodyOf(request);
  const parsed = wireRequest.safeParse(jsonOf(body));
  if (!parsed.success) {
    refuse(request, response, { status: 400, message: "Not a streaming chat completion request." });
    return false;
  }
  const { messages, model } = parsed.data;
  const reply = demoReply(messages.map(toMessage));
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  for (const chunk of chunksOf(reply, body.length)) {
    response.write(`data: ${JSON.stringify({ id: "demo", model, ...chunk })}\n\n`);
  }
  response.end("data: [DONE]\n\n");
  return true;
}

async function answerTeam(
  team: DemoTeam,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = "", url = "", headers } = request;
  const { status, body } = team.answer({
    method,
    path: url.slice("/team".length),
    authorization: headers.authorization ?? "",
    idempotencyKey: String(headers["idempotency-key"] ?? ""),
    body: await bodyOf(request),
  });
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** Throws for a body that is too large; its connection is then closed without an answer. */
async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request) {
    const bytes = z.instanceof(Uint8Array).parse(part);
    size += bytes.byteLength;
    if (size > maxBodyBytes) throw new Error("The request is too large.");
    parts.push(bytes);
  }
  return Buffer.concat(parts).toString("utf8");
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function toMessage(wire: z.infer<typeof wireMessage>): Message {
  switch (wire.role) {
    case "system":
    case "user":
      return { role: wire.role, text: wire.content };
    case "tool":
      return { role: "tool", callId: wire.tool_call_id, text: wire.content };
    case "assistant": {
      const toolCalls = wire.tool_calls.map((call) => ({
        id: call.id,
        tool: call.function.name,
        args: call.function.arguments,
      }));
      return { role: "assistant", text: wire.content, toolCalls };
    }
  }
}

function* chunksOf(reply: DemoReply, promptCharacters: number): Generator<object> {
  const head = { object: "chat.completion.chunk", created: 0 };
  const choice = (delta: object, reason: string | null): object => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason: reason }],
  });
  for (const word of reply.text.split(/(?<= )/)) yield choice({ content: word }, null);
  for (const [index, { id, tool, args }] of reply.calls.entries()) {
    const call = { index, id, type: "function", function: { name: tool, arguments: args } };
    yield choice({ tool_calls: [call] }, null);
  }
  yield choice({}, reply.calls.length > 0 ? "tool_calls" : "stop");
  // No tokenizer here: four characters a token, as a rule of thumb.
  const completion = Math.ceil((reply.text.length + JSON.stringify(reply.calls).length) / 4);
  const prompt = Math.ceil(promptCharacters / 4);
  const usage = { prompt_tokens: prompt, completion_tokens: completion };
  yield { ...head, choices: [], usage: { ...usage, total_tokens: prompt + completion } };
}
