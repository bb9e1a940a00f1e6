import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { LLMock } from "@copilotkit/aimock";
import type { ModelRequest } from "../../src/core/ports.ts";
import type { ModelReply } from "../../src/core/records.ts";
import { OpenAiModel } from "../../src/model/openAiModel.ts";

const tools = [{ name: "exec", description: "Runs a command.", parameters: { type: "object" } }];

suite("a model server that others wrote is understood", () => {
  const server = new LLMock({ port: 0, host: "127.0.0.1", chunkSize: 3 });
  before(async () => {
    const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 };
    server.onMessage("say", { content: "Grüße from the mock.", usage });
    server.onMessage("list", {
      toolCalls: [{ id: "call_ls", name: "exec", arguments: '{"command":"ls -la"}' }],
    });
    server.onToolResult("call_a", { content: "You are in /workspace." });
    server.onMessage("both", {
      content: "I look.",
      toolCalls: [
        { id: "call_a", name: "exec", arguments: '{"command":"pwd"}' },
        { id: "call_b", name: "exec", arguments: '{"command":"id"}' },
      ],
    });
    await server.start();
  });
  after(async () => server.stop());

  async function ask(messages: ModelRequest["messages"]): Promise<ModelReply> {
    const url = `${server.url}/v1`;
    const model = new OpenAiModel({ url, apiKey: async () => "any" });
    return model.reply({ model: "gpt-4o", messages, tools }, AbortSignal.timeout(5000));
  }

  test("text, with tokens", async () => {
    assert.deepEqual(await ask([{ role: "user", text: "say" }]), {
      text: "Grüße from the mock.",
      toolCalls: [],
      finishReason: "stop",
      usage: { inputTokens: 100, outputTokens: 20, cachedTokens: 0 },
    });
  });

  test("a tool call in fragments", async () => {
    const reply = await ask([{ role: "user", text: "list" }]);
    assert.equal(reply.finishReason, "toolCalls");
    assert.deepEqual(reply.toolCalls, [
      { id: "call_ls", tool: "exec", args: '{"command":"ls -la"}' },
    ]);
  });

  test("text with two calls at once, and the turn after them", async () => {
    const first = await ask([{ role: "user", text: "both" }]);
    assert.equal(first.text, "I look.");
    assert.deepEqual(first.toolCalls, [
      { id: "call_a", tool: "exec", args: '{"command":"pwd"}' },
      { id: "call_b", tool: "exec", args: '{"command":"id"}' },
    ]);
    const second = await ask([
      { role: "user", text: "both" },
      { role: "assistant", text: first.text, toolCalls: first.toolCalls },
      { role: "tool", callId: "call_b", text: "uid=1000" },
      { role: "tool", callId: "call_a", text: "/workspace" },
    ]);
    assert.equal(second.text, "You are in /workspace.");
  });
});
