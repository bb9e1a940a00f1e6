import { CairnError } from "../../src/core/errors.ts";
import { startDemoServer } from "../../src/model/demoServer.ts";
import { OpenAiModel } from "../../src/model/openAiModel.ts";
import { modelContract } from "../contracts/model.ts";
import { ScriptedModel } from "../fakes/scriptedModel.ts";

modelContract("OpenAiModel over the demo server", async () => {
  const server = await startDemoServer();
  const { url, key } = server;
  return {
    model: new OpenAiModel({ url, apiKey: async () => key }),
    failing: new OpenAiModel({ url, apiKey: async () => "another" }),
    requests: () => server.requests(),
    close: async () => server.close(),
  };
});

modelContract("ScriptedModel", async () => {
  const model = new ScriptedModel([
    {
      text: "",
      toolCalls: [{ id: "call_1", tool: "exec", args: "{}" }],
      finishReason: "toolCalls",
      usage: null,
    },
  ]);
  const failing = new ScriptedModel([new CairnError("model.unavailable", "It is down.")]);
  return { model, failing, requests: () => model.calls, close: async () => {} };
});
