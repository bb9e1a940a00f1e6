import type { OpenAI } from "openai";
import * as z from "zod";
import type { Message, ModelRequest } from "../core/ports.ts";

const jsonObject = z.record(z.string(), z.unknown());

/** The request as Chat Completions wants it. */
export function chatRequest(
  request: ModelRequest,
  model: string,
): OpenAI.ChatCompletionCreateParamsStreaming {
  const tools = request.tools.map(({ name, description, parameters }) => ({
    type: "function" as const,
    function: { name, description, parameters: jsonObject.parse(parameters) },
  }));
  return {
    model,
    messages: request.messages.map(wireMessage),
    // Providers refuse an empty list.
    ...(tools.length > 0 ? { tools } : {}),
    stream: true,
    stream_options: { include_usage: true },
  };
}

function wireMessage(message: Message): OpenAI.ChatCompletionMessageParam {
  switch (message.role) {
    case "system":
    case "user":
      return { role: message.role, content: message.text };
    case "tool":
      return { role: "tool", tool_call_id: message.callId, content: message.text };
    case "assistant":
      if (message.toolCalls.length === 0) return { role: "assistant", content: message.text };
      return {
        role: "assistant",
        content: message.text === "" ? null : message.text,
        tool_calls: message.toolCalls.map(({ id, tool, args }) => ({
          id,
          type: "function",
          function: { name: acceptedName(tool), arguments: acceptedArguments(args) },
        })),
      };
  }
}

/** A model may call a tool by a name that its own provider refuses to read back. */
function acceptedName(tool: string): string {
  return tool.replaceAll(/[^\w-]/g, "_").slice(0, 64);
}

/** Providers parse the arguments in the history, so broken ones go back inside an object. */
function acceptedArguments(args: string): string {
  try {
    if (jsonObject.safeParse(JSON.parse(args)).success) return args;
  } catch {
    // Not JSON at all: the same answer as for JSON that is no object.
  }
  return JSON.stringify({ malformed: args });
}
