import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import type { Model, ModelRequest } from "../../src/core/ports.ts";
import { modelReply } from "../../src/core/records.ts";

export interface ModelUnderTest {
  /** Its first reply to any request has a tool call. */
  readonly model: Model;
  /** Every reply of this one fails. */
  readonly failing: Model;
  /** How many requests `model` got. */
  requests(): number;
  close(): Promise<void>;
}

const request: ModelRequest = {
  model: "m",
  messages: [
    { role: "system", text: "Be brief." },
    { role: "user", text: "Fix the test." },
  ],
  tools: [{ name: "exec", description: "Runs a command.", parameters: { type: "object" } }],
};

/** What every `Model` promises, whatever stands behind it. */
export function modelContract(name: string, make: () => Promise<ModelUnderTest>): void {
  suite(`${name} keeps the contract of a model`, () => {
    test("one request gives one whole reply, and leaves the request as it was", async () => {
      const under = await make();
      try {
        const before = structuredClone(request);
        const reply = await under.model.reply(request, AbortSignal.timeout(5000));
        assert.deepEqual(modelReply.parse(reply), reply);
        assert.deepEqual(request, before);
        assert.equal(under.requests(), 1);
        assert.equal(reply.finishReason, "toolCalls");
        const ids = reply.toolCalls.map((call) => call.id);
        assert.ok(ids.length > 0 && !ids.includes(""));
        assert.equal(new Set(ids).size, ids.length);
      } finally {
        await under.close();
      }
    });

    test("a request that is cancelled beforehand is not sent", async () => {
      const under = await make();
      try {
        await assert.rejects(under.model.reply(request, AbortSignal.abort()), {
          code: "cancelled",
        });
        assert.equal(under.requests(), 0);
      } finally {
        await under.close();
      }
    });

    test("a failure has a code of the model's", async () => {
      const under = await make();
      try {
        await assert.rejects(
          under.failing.reply(request, AbortSignal.timeout(5000)),
          (error) => CairnError.is(error) && error.code.startsWith("model."),
        );
      } finally {
        await under.close();
      }
    });
  });
}
