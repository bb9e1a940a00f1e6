import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as z from "zod";
import type { Flow } from "../../src/core/flow.ts";
import { defineFlow, type FlowContext } from "../../src/core/flowDefinition.ts";
import type { DerivationRequest } from "../../src/core/derivation.ts";
import type { JsonValue } from "../../src/core/records.ts";
import type { Session } from "../../src/core/session.ts";
import { defineTool } from "../../src/core/tool.ts";
import { text } from "../../src/core/waits.ts";
import { Journal } from "./journal.ts";
import { by, calls, Machine, never, says } from "./machine.ts";

const string = { output: z.string() } as const;

/** A flow of one's own on a machine, with what its steps did. */
function flowOf(run: (context: FlowContext) => Promise<JsonValue>) {
  return defineFlow({ name: "mine", version: 1, input: z.json(), run });
}

/** Three steps in a row, each made from the one before. */
function publishing(ran: string[]) {
  const does = (name: string, result: (given: string) => string) => ({
    step: async (flow: Flow, given: string): Promise<string> =>
      flow.step(name, { ...string, args: given }, async ({ args }) => {
        ran.push(name);
        return result(z.string().parse(args));
      }),
  });
  const research = does("research", () => "first notes");
  const write = does("write", (notes) => `Draft from ${notes}`);
  const publish = does("publish", (draft) => `PUBLISHED: ${draft}`);
  return flowOf(async ({ flow }) => {
    const notes = await research.step(flow, "topic");
    return publish.step(flow, await write.step(flow, notes));
  });
}

async function published(): Promise<{
  readonly machine: Machine;
  readonly ran: string[];
  readonly derive: (request: Partial<DerivationRequest>) => Promise<Session>;
}> {
  const machine = new Machine([]);
  const ran: string[] = [];
  const session = await machine.startFlow(publishing(ran));
  assert.equal(await session.run(never), "completed");
  ran.length = 0;
  return { machine, ran, derive: async (request) => machine.derive("s", "r", request) };
}

suite(
  "Before the selector everything is reused, the selector runs. An override is neither skipped nor run. skip and override together: error. Order follows dependency, not time. Wait overrides are explicit.",
  () => {
    test("before the selector everything is reused, the selector runs", async () => {
      const { ran, derive } = await published();
      const replay = await derive({ at: "write" });
      assert.equal(await replay.run(never), "completed");
      assert.deepEqual(ran, ["write"], "publish got the same draft, so its record was served");
      assert.equal(replay.view.ended?.output, "PUBLISHED: Draft from first notes");
    });

    test("an override is neither skipped nor run, and what depends on it runs", async () => {
      const { ran, derive } = await published();
      const value = "other notes";
      const replay = await derive({ overrides: [{ select: "research", field: "output", value }] });
      assert.equal(await replay.run(never), "completed");
      assert.deepEqual(ran, ["write", "publish"]);
      const first = replay.records.find((record) => "step" in record);
      assert.deepEqual(first?.kind === "step.completed" && [first.via, first.output], [
        "override",
        value,
      ]);
    });

    test("an input override is what the step runs with", async () => {
      const { ran, derive } = await published();
      const overrides = [{ select: "write", field: "input", value: "my notes" }] as const;
      const replay = await derive({ at: "write", overrides });
      await replay.run(never);
      assert.deepEqual(ran, ["write", "publish"]);
      assert.equal(replay.view.ended?.output, "PUBLISHED: Draft from my notes");
    });

    test("a model override asks another model", async () => {
      const machine = new Machine([says("one"), says("two")]);
      await (await machine.start()).run(never);
      const overrides = [{ select: "m", field: "model", value: "better" }] as const;
      const replay = await machine.derive("s", "r", { at: "turn/1/model", overrides });
      assert.equal(await replay.run(never), "completed");
      assert.equal(machine.model.requests.at(-1)?.model, "better");
      assert.equal(replay.view.ended?.output, "two");
    });

    test("a skipped step keeps its record although its inputs changed", async () => {
      const { ran, derive } = await published();
      const overrides = [{ select: "research", field: "output", value: "other" }] as const;
      const replay = await derive({ overrides, skip: ["write"] });
      assert.equal(await replay.run(never), "completed");
      assert.deepEqual(ran, []);
      assert.equal(replay.view.ended?.output, "PUBLISHED: Draft from first notes");
    });

    test("skip and override together: error", async () => {
      const { machine, derive } = await published();
      const overrides = [{ select: "write", field: "output", value: "x" }] as const;
      await assert.rejects(derive({ overrides, skip: ["write"] }), { code: "override.invalid" });
      assert.equal((await machine.driver.list()).length, 1, "nothing was made");
    });

    test("order follows dependency, not time", async () => {
      const ran: string[] = [];
      const machine = new Machine([]);
      const branch = (name: string) => async (flow: Flow) =>
        flow.step(name, string, async () => {
          ran.push(name);
          return name;
        });
      const both = flowOf(async ({ flow }) => {
        const results = await flow.parallel([branch("slow"), branch("quick")]);
        const given = { ...string, args: results };
        return flow.step("after", given, async () => {
          ran.push("after");
          return results.join();
        });
      });
      await (await machine.startFlow(both)).run(never);
      ran.length = 0;
      const replay = await machine.derive("s", "r", { at: "slow" });
      assert.equal(await replay.run(never), "completed");
      assert.deepEqual(
        ran,
        ["slow"],
        "quick does not depend on slow, whichever was recorded first",
      );
    });

    test("wait overrides are explicit: only the field `answer` names one, and it is not served otherwise", async () => {
      const machine = new Machine([]);
      const ask = flowOf(async ({ flow }) => {
        const answer = await flow.wait("which", text("Which?"));
        return answer.ended === null ? answer.value : null;
      });
      const session = await machine.startFlow(ask);
      await session.run(never);
      await session.answer({ wait: "which", digest: null, value: "a", by }, never);
      for (const field of ["input", "output", "model"] as const) {
        const overrides = [{ select: "which", field, value: "b" }];
        await assert.rejects(machine.derive("s", "r", { overrides }), { code: "override.invalid" });
      }
      const overrides = [{ select: "which", field: "answer", value: "b" }] as const;
      const replay = await machine.derive("s", "r", { overrides });
      assert.equal(await replay.run(never), "completed");
      assert.equal(replay.view.ended?.output, "b");
      assert.deepEqual(replay.view.answered[0]?.by, { user: "override", surface: "replay" });
    });
  },
);

suite(
  "Unknown selector lists the names; ambiguous selector lists the candidates; a family `x, x_2, x_3` never catches `phase_2`. A replay never changes its source.",
  () => {
    async function families(): Promise<Journal> {
      const journal = new Journal();
      const flow = journal.flow();
      for (const name of ["x", "x", "x", "phase_2", "x_2"]) {
        await flow.step(name, string, async () => name);
      }
      return journal;
    }

    test("an unknown selector lists the names", async () => {
      const journal = await families();
      assert.throws(() => journal.derived(new Journal("r"), { at: "y" }), {
        code: "selector.unknown",
        message: "There is no step y. There are: x, x#2, x#3, phase_2, x_2.",
      });
    });

    test("an ambiguous selector lists the candidates, and each of them can be chosen", async () => {
      const journal = await families();
      assert.throws(() => journal.derived(new Journal("r"), { at: "x" }), {
        code: "selector.ambiguous",
        message: "x names 3 steps. Choose one: x#1, x#2, x#3.",
      });
      for (const at of ["x#1", "x#2", "x#3", "x_2"]) journal.derived(new Journal("r"), { at });
    });

    test("a family never catches a name that only starts like it", async () => {
      const journal = await families();
      assert.throws(() => journal.derived(new Journal("r"), { at: "phase" }), {
        code: "selector.unknown",
      });
      const into = new Journal("r");
      const overrides = [{ select: "x", field: "output", value: "mine" }] as const;
      const flow = journal.derived(into, { overrides });
      const outputs = [];
      for (const name of ["x", "x", "x", "phase_2", "x_2"]) {
        outputs.push(await flow.step(name, string, async () => assert.fail("it ran")));
      }
      assert.deepEqual(outputs, ["mine", "mine", "mine", "phase_2", "x_2"]);
    });

    test("an override of one invocation leaves the others", async () => {
      const journal = await families();
      const overrides = [{ select: "x#2", field: "output", value: "mine" }] as const;
      const flow = journal.derived(new Journal("r"), { overrides });
      const outputs = [];
      for (const name of ["x", "x", "x"]) {
        outputs.push(await flow.step(name, string, async () => "ran"));
      }
      assert.deepEqual(outputs, ["x", "mine", "x"]);
    });

    test("a replay never changes its source", async () => {
      const { machine, derive } = await published();
      const before = structuredClone(await machine.driver.read("s"));
      const replay = await derive({ at: "research" });
      await replay.run(never);
      assert.deepEqual(await machine.driver.read("s"), before);
      assert.notEqual(replay.id, "s");
    });
  },
);

test("research → write → publish with the research output overridden gives `PUBLISHED: Draft from edited notes`, a new id, the source unchanged.", async () => {
  const { machine, derive } = await published();
  const before = structuredClone(await machine.driver.read("s"));
  const value = "edited notes";
  const replay = await derive({ overrides: [{ select: "research", field: "output", value }] });
  assert.equal(await replay.run(never), "completed");
  assert.equal(replay.view.ended?.output, "PUBLISHED: Draft from edited notes");
  assert.equal(replay.id, "r");
  assert.deepEqual(await machine.driver.read("s"), before);
});

suite(
  "A tool opted out of checkpoints re-executes on replay; a tool with its cache off keeps the record and re-executes; both differ and both are shown.",
  () => {
    async function kept(keep: { checkpoint?: boolean; cache?: "off" }) {
      let ran = 0;
      const count = defineTool({
        name: "count",
        description: "counts",
        args: z.object({}),
        effect: "none",
        keep,
        what: () => "count",
        run: async () => ({ text: `count ${(ran += 1)}`, ok: true }),
      });
      const machine = new Machine(
        [calls(["c", "count", {}]), says("done"), says("again")],
        [count],
      );
      const session = await machine.start({ tools: ["count"], rules: { count: "allow" } });
      assert.equal(await session.run(never), "completed");
      const replay = await machine.derive("s", "r");
      assert.equal(await replay.run(never), "completed");
      const call = replay.view.turns[0]?.calls.find(({ name }) => name === "count");
      return { machine, session, ran: () => ran, call };
    }

    test("opted out of checkpoints it re-executes, and no model call is paid again", async () => {
      const { machine, ran, call, session } = await kept({ checkpoint: false });
      assert.equal(ran(), 2);
      assert.equal(machine.model.calls, 2);
      assert.deepEqual([call?.checkpoint, call?.via, call?.output], [false, "run", "count 2"]);
      assert.throws(() => startAt(session, "turn/1/tool/c"), {
        code: "selector.unknown",
      });
    });

    test("with its cache off it keeps the record and re-executes, and what depends on it runs", async () => {
      const { machine, ran, call, session } = await kept({ cache: "off" });
      assert.equal(ran(), 2);
      assert.equal(machine.model.calls, 3);
      assert.deepEqual([call?.checkpoint, call?.cache, call?.via], [true, "off", "run"]);
      assert.equal(call?.lookup?.verdict, "cacheOff");
      startAt(session, "turn/1/tool/c");
    });

    function startAt(session: Session, at: string): void {
      const journal = new Journal();
      for (const { seq: _, session: __, ...body } of session.records) journal.write(body);
      journal.derived(new Journal("r"), { at });
    }
  },
);

suite(
  "Recorded-result policy for external effects: key = tool + canonical arguments; repeated identical calls consume recordings in order; past the last = miss; on a miss: fail, error result or pass through, by setting (default fail).",
  () => {
    let sent = 0;
    const send = async (flow: Flow, name: string, to: string): Promise<string> =>
      flow.step(
        name,
        {
          ...string,
          label: "send",
          args: { to, urgent: true },
          effect: "external",
          missing: "no recording",
        },
        async () => `sent ${(sent += 1)}`,
      );

    async function recording(): Promise<Journal> {
      sent = 0;
      const journal = new Journal();
      const flow = journal.flow();
      await flow.step("first", string, async () => "one");
      await send(flow, "a", "you");
      await send(flow, "b", "you");
      await send(flow, "c", "them");
      return journal;
    }

    async function replayed(
      onMiss: DerivationRequest["onMiss"],
      order: readonly (readonly [string, string])[],
    ): Promise<readonly string[]> {
      const journal = await recording();
      const flow = journal.derived(new Journal("r"), { at: "first", onMiss });
      await flow.step("first", string, async () => "two");
      const results = [];
      for (const [name, to] of order) results.push(await send(flow, name, to));
      return results;
    }

    test("the key is the tool with its canonical arguments, wherever it is called; repeated calls consume recordings in order", async () => {
      const order = [
        ["z", "them"],
        ["y", "you"],
        ["x", "you"],
      ] as const;
      assert.deepEqual(await replayed("fail", order), ["sent 3", "sent 1", "sent 2"]);
      assert.equal(sent, 3, "nothing was sent by the replay");
    });

    const once = [["c", "them"]] as const;
    const twice = [...once, ["d", "them"]] as const;

    test("past the last is a miss, and a miss fails by default", async () => {
      await assert.rejects(replayed("fail", twice), { code: "replay.miss" });
      assert.equal(sent, 3);
    });

    test("on a miss with `error` the flow gets an error result", async () => {
      assert.deepEqual(await replayed("error", twice), ["sent 3", "no recording"]);
      assert.equal(sent, 3);
    });

    test("on a miss with `run` it passes through", async () => {
      assert.deepEqual(await replayed("run", twice), ["sent 3", "sent 4"]);
    });
  },
);
