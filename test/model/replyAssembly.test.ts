import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { CairnError } from "../../src/core/errors.ts";
import { modelReply, type ModelReply } from "../../src/core/records.ts";
import { ReplyAssembly } from "../../src/model/replyAssembly.ts";
import { chunk, done, event, fragment } from "./wire.ts";

const endpoint = { url: "http://127.0.0.1:1/v1", name: "test", key: "sk-secret-0123456789" };
const encoder = new TextEncoder();

function assemble(
  parts: readonly (string | Uint8Array)[],
  taken: readonly string[] = [],
): ModelReply {
  const assembly = new ReplyAssembly(endpoint);
  for (const part of parts) {
    assembly.push(typeof part === "string" ? encoder.encode(part) : part);
  }
  return assembly.finish(new Set(taken));
}

function codeOf(parts: readonly (string | Uint8Array)[]): string {
  try {
    assemble(parts);
  } catch (error) {
    assert.ok(CairnError.is(error), String(error));
    return error.code;
  }
  return "none";
}

const ls = '{"command":"ls"}';
const pwd = '{"command":"pwd"}';
const stop = chunk({}, "stop") + done;
const callsEnd = chunk({}, "tool_calls") + done;

/** Ids, names and arguments of the calls that a stream of fragments gives. */
function calls(fragments: readonly object[], taken: readonly string[] = []): string[][] {
  const reply = assemble([...fragments.map(fragment), callsEnd], taken);
  assert.equal(reply.finishReason, "toolCalls");
  return reply.toolCalls.map(({ id, tool, args }) => [id, tool, args]);
}

suite("a whole answer", () => {
  test("text comes together, with the tokens that were counted", () => {
    const usage = {
      prompt_tokens: 12,
      completion_tokens: 3,
      prompt_tokens_details: { cached_tokens: 8 },
    };
    const parts = [
      event({ choices: [] }),
      chunk({ role: "assistant", content: "" }),
      chunk({ content: "Good " }),
      chunk({ content: "day." }),
      chunk({}, "stop"),
      event({ choices: [], usage }),
      done,
    ];
    assert.deepEqual(assemble(parts), {
      text: "Good day.",
      toolCalls: [],
      finishReason: "stop",
      usage: { inputTokens: 12, outputTokens: 3, cachedTokens: 8 },
    });
  });

  test("tokens that were not counted, or not in numbers, are not invented", () => {
    assert.equal(assemble([stop]).usage, null);
    const odd = event({ choices: [], usage: { prompt_tokens: "many", completion_tokens: -1 } });
    assert.equal(assemble([chunk({ content: "a" }, "stop"), odd, done]).usage, null);
  });

  test("it is whole without the closing line, once the provider said why it stopped", () => {
    assert.equal(assemble([chunk({ content: "a" }, "stop")]).text, "a");
    assert.equal(assemble([chunk({ content: "a" }, "stop").trimEnd()]).text, "a");
  });

  test("what follows the closing line is not part of it", () => {
    assert.equal(assemble([chunk({ content: "a" }, "stop"), done + event("{")]).text, "a");
  });

  test("comments, other line ends and a byte order mark do not matter", () => {
    const parts = ["\uFEFF: keep alive\r\n\r\n", chunk({ content: "ä" }).replaceAll("\n", "\r\n")];
    assert.equal(assemble([...parts, stop.replaceAll("\n", "\r")]).text, "ä");
  });

  test("the same reply comes out wherever its bytes are split", () => {
    const bytes = encoder.encode(
      chunk({ content: "Zürich 🏔" }).replace("[", "[\ndata:").replaceAll("\n", "\r\n") +
        fragment({ index: 0, id: "a", function: { name: "exec", arguments: "" } }) +
        fragment({ index: 0, function: { arguments: ls.slice(0, 7) } }) +
        fragment({ index: 0, function: { arguments: ls.slice(7) } }) +
        callsEnd,
    );
    const whole = assemble([bytes]);
    assert.deepEqual(whole.toolCalls, [{ id: "a", tool: "exec", args: ls }]);
    for (let at = 0; at <= bytes.length; at += 1) {
      assert.deepEqual(assemble([bytes.slice(0, at), bytes.slice(at)]), whole, `split at ${at}`);
    }
    assert.deepEqual(assemble(Array.from(bytes, (byte) => Uint8Array.of(byte))), whole);
  });

  test("cut anywhere before the reason to stop, it is no answer", () => {
    const bytes = encoder.encode(
      fragment({ index: 0, id: "a", function: { name: "exec", arguments: ls } }),
    );
    for (let at = 0; at <= bytes.length; at += 1) {
      assert.equal(codeOf([bytes.slice(0, at)]), "model.cut", `cut at ${at}`);
    }
  });
});

suite("tool calls from providers with habits", () => {
  test("parallel calls that share one index are told apart by id", () => {
    const found = calls([
      { index: 0, id: "a", function: { name: "exec", arguments: ls } },
      { index: 0, id: "b", function: { name: "exec", arguments: "" } },
      { index: 0, function: { arguments: pwd } },
    ]);
    assert.deepEqual(found, [
      ["a", "exec", ls],
      ["b", "exec", pwd],
    ]);
  });

  test("calls without arguments that share one index are told apart by id", () => {
    const found = calls([
      { index: 0, id: "a", function: { name: "one", arguments: "" } },
      { index: 0, id: "b", function: { name: "two", arguments: "" } },
    ]);
    assert.deepEqual(found, [
      ["a", "one", "{}"],
      ["b", "two", "{}"],
    ]);
  });

  test("parallel calls that share one index and have no ids are told apart by whole arguments", () => {
    const found = calls([
      { index: 0, function: { name: "exec", arguments: ls } },
      { index: 0, function: { name: "exec", arguments: pwd } },
      { index: 0, function: { name: "skill", arguments: "" } },
      { index: 0, function: { arguments: "{}" } },
    ]);
    assert.deepEqual(found, [
      ["call_1", "exec", ls],
      ["call_2", "exec", pwd],
      ["call_3", "skill", "{}"],
    ]);
  });

  test("calls without an index in one event are calls of their own", () => {
    const both = chunk({
      tool_calls: [{ function: { name: "one" } }, { function: { name: "two", arguments: null } }],
    });
    const reply = assemble([both, stop]);
    assert.equal(reply.finishReason, "toolCalls");
    assert.deepEqual(reply.toolCalls, [
      { id: "call_1", tool: "one", args: "{}" },
      { id: "call_2", tool: "two", args: "{}" },
    ]);
  });

  test("fragments of two calls may come in turns", () => {
    const found = calls([
      { index: 0, id: "a", function: { name: "exec", arguments: ls.slice(0, 5) } },
      { index: 1, id: "b", function: { name: "exec", arguments: pwd.slice(0, 5) } },
      { index: 0, function: { arguments: ls.slice(5) } },
      { index: 1, function: { arguments: pwd.slice(5) } },
    ]);
    assert.deepEqual(found, [
      ["a", "exec", ls],
      ["b", "exec", pwd],
    ]);
  });

  test("fragments of two calls on one index may come in turns, with their ids", () => {
    const found = calls([
      { index: 0, id: "a", function: { name: "exec", arguments: ls.slice(0, 5) } },
      { index: 0, id: "b", function: { name: "exec", arguments: pwd.slice(0, 5) } },
      { index: 0, id: "a", function: { arguments: ls.slice(5) } },
      { index: 0, id: "b", function: { arguments: pwd.slice(5) } },
    ]);
    assert.deepEqual(found, [
      ["a", "exec", ls],
      ["b", "exec", pwd],
    ]);
  });

  test("a name in parts, or repeated with every fragment, is one name", () => {
    const parts = [
      { index: 0, id: "a", function: { name: "ask_" } },
      { index: 0, function: { name: "question" } },
      { index: 0, function: { arguments: "{}" } },
    ];
    assert.deepEqual(calls(parts), [["a", "ask_question", "{}"]]);
    const repeated = ["", ls.slice(0, 5), ls.slice(5), ""].map((args) => ({
      index: 0,
      id: "a",
      function: { name: "exec", arguments: args },
    }));
    assert.deepEqual(calls(repeated), [["a", "exec", ls]]);
  });

  test("arguments as an object become text, and no arguments an empty object", () => {
    const found = calls([
      { index: 0, id: "a", function: { name: "exec", arguments: { command: "ls" } } },
      { index: 1, id: "b", function: { name: "list", arguments: null } },
    ]);
    assert.deepEqual(found, [
      ["a", "exec", ls],
      ["b", "list", "{}"],
    ]);
  });

  test("arguments that are not JSON are handed on as they are", () => {
    const broken = { index: 0, id: "a", function: { name: "exec", arguments: "ls -la" } };
    assert.deepEqual(calls([broken]), [["a", "exec", "ls -la"]]);
  });

  test("ids that are missing, doubled, taken or odd are replaced, always by the same ones", () => {
    const fragments = [undefined, "same", "same", "call_1", "../../x", "old"].map((id, index) => ({
      index,
      id,
      function: { name: "exec", arguments: ls },
    }));
    const ids = calls(fragments, ["old", "call_3"]).map(([id]) => id);
    assert.deepEqual(ids, ["call_2", "same", "call_4", "call_1", "call_5", "call_6"]);
  });
});

suite("no call runs from a partial answer", () => {
  const half = fragment({
    index: 0,
    id: "a",
    function: { name: "exec", arguments: '{"command":"rm' },
  });

  for (const [wire, reason] of [
    ["length", "length"],
    ["content_filter", "contentFilter"],
  ] as const) {
    test(`an answer that ended with ${wire} has its text and no calls`, () => {
      assert.deepEqual(assemble([chunk({ content: "I will" }), half, chunk({}, wire), done]), {
        text: "I will",
        toolCalls: [],
        finishReason: reason,
        usage: null,
      });
    });
  }

  test("a reason to stop counts only when nothing follows it", () => {
    assert.equal(codeOf([chunk({}, "tool_calls"), half, done]), "model.cut");
  });
});

suite("what is not an answer is an error", () => {
  const call = { index: 0, id: "a", function: { name: "exec", arguments: "{" } };
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ["nothing at all", "model.cut", []],
    ["only comments", "model.cut", [": wait\n\n"]],
    ["no reason to stop", "model.cut", [chunk({ content: "a" }), done]],
    ["an HTML page", "model.malformed", ["<!doctype html>\n<title>Log in</title>"]],
    ["a JSON document", "model.malformed", ['{"choices": [{"message": {"content": "a"}}]}']],
    ["only the closing line", "model.malformed", [done]],
    ["an event that is not JSON", "model.malformed", [event("hello"), stop]],
    ["an event of another protocol", "model.malformed", [event({ type: "ping" }), stop]],
    ["a whole message", "model.malformed", [event({ choices: [{ message: {} }] }), stop]],
    ["two choices", "model.malformed", [event({ choices: [{}, {}] }), stop]],
    ["another choice", "model.malformed", [event({ choices: [{ index: 1 }] }), stop]],
    ["text that is a number", "model.malformed", [chunk({ content: 7 }), stop]],
    ["an unknown reason to stop", "model.malformed", [chunk({}, "tired"), done]],
    ["calls announced and none made", "model.malformed", [callsEnd]],
    ["a call without a name", "model.malformed", [fragment({ index: 0, id: "a" }), callsEnd]],
    [
      "two calls mixed into one",
      "model.malformed",
      [fragment(call), fragment({ index: 0, function: { name: "skill" } }), callsEnd],
    ],
    ["arguments too deep to read", "model.malformed", [deep()]],
    ["a rate limit", "model.rateLimited", [event({ error: { code: 429, message: "slow" } })]],
    ["a spent quota", "model.rateLimited", [event({ error: { type: "insufficient_quota" } })]],
    ["a bad request", "model.rejected", [event({ error: { type: "invalid_request_error" } })]],
    ["an overload", "model.unavailable", [event({ error: { message: "overloaded" } })]],
    ["an error in one word", "model.unavailable", [event({ error: "overloaded" })]],
  ];
  for (const [what, code, parts] of cases) {
    test(`${what}: ${code}`, () => assert.equal(codeOf(parts), code));
  }

  test("bytes that are not text: model.malformed", () => {
    const [head, tail] = (chunk({ content: "?" }) + stop).split("?");
    assert.equal(codeOf([`${head}`, Uint8Array.of(0xff, 0xfe), `${tail}`]), "model.malformed");
  });

  test("an answer of unbounded size is not read to its end", () => {
    const megabyte = "a".repeat(1024 * 1024);
    assert.equal(codeOf([`data: ${megabyte}`]), "model.malformed");
    assert.equal(
      codeOf([`data: ${megabyte.slice(9)}\ndata: ${megabyte.slice(9)}\n`]),
      "model.malformed",
    );
    const many = Array.from({ length: 129 }, (_, index) => ({ index, function: { name: "exec" } }));
    assert.equal(codeOf([chunk({ tool_calls: many })]), "model.malformed");
    const comments = encoder.encode(`:${megabyte.slice(2)}\n`);
    const assembly = new ReplyAssembly(endpoint);
    for (let count = 0; count < 64; count += 1) assembly.push(comments);
    assert.throws(() => assembly.push(comments), { code: "model.malformed" });
  });

  test("the provider's words are shown without the key", () => {
    const words = `Bad\nkey ${endpoint.key}!`;
    const assembly = new ReplyAssembly(endpoint);
    const bytes = encoder.encode(event({ error: { message: words } }));
    assert.throws(() => assembly.push(bytes), {
      message:
        'The model endpoint failed (500). Retry the session in a moment. The provider says: "Bad key [key]!"',
    });
  });
});

test("whatever a provider sends ends in one whole reply or in one of our errors", () => {
  const text = fc.constantFrom("", "a", "exec", "{", "}", "{}", ls, "\u{1F3D4}", "call_1", "\r\n");
  const anything = fc.oneof(text, fc.constantFrom(null, 0, 1, -1, 1e9, [], {}), fc.jsonValue());
  const call = fc.record(
    { index: anything, id: anything, function: fc.record({ name: anything, arguments: anything }) },
    { requiredKeys: [] },
  );
  const sane = fc.record({
    index: fc.constantFrom(0, 1, null),
    id: text,
    function: fc.record({ name: text, arguments: text }),
  });
  const reason = fc.constantFrom(null, "", "stop", "tool_calls", "length", "tired");
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.string({ unit: "binary" }).map((data) => encoder.encode(event(data))),
    fc.tuple(anything, reason).map(([content, why]) => encoder.encode(chunk({ content }, why))),
    fc
      .array(fc.oneof(sane, call), { maxLength: 3 })
      .map((made) => encoder.encode(chunk({ tool_calls: made }))),
    fc
      .array(sane, { maxLength: 3 })
      .map((made) => encoder.encode(chunk({ tool_calls: made }, "tool_calls"))),
    anything.map((usage) => encoder.encode(event({ choices: [], usage }))),
    fc.constant(encoder.encode(done)),
  );
  let replies = 0;
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.nat(40), (parts, size) => {
      const bytes = Buffer.concat(parts);
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size + 1)
        pieces.push(bytes.subarray(at, at + size + 1));
      try {
        const reply = assemble(pieces, ["call_1"]);
        assert.deepEqual(modelReply.parse(reply), reply);
        const ids = reply.toolCalls.map(({ id }) => id);
        assert.equal(new Set([...ids, "call_1"]).size, ids.length + 1);
        assert.ok(reply.toolCalls.every(({ tool }) => tool !== ""));
        assert.equal(reply.finishReason === "toolCalls", ids.length > 0);
        replies += 1;
      } catch (error) {
        assert.ok(CairnError.is(error), String(error));
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(replies > 50, `only ${replies} streams were answers: the test proves too little`);
});

/** A call whose arguments nest too deep for a recursive reader. */
function deep(): string {
  const nested = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
  const call = `{"index":0,"function":{"name":"exec","arguments":{"a":${nested}}}}`;
  return event(`{"choices":[{"delta":{"tool_calls":[${call}]}}]}`);
}
