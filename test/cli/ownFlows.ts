import { appendFileSync, existsSync } from "node:fs";
import * as z from "zod";
import { commandLine } from "../../src/cli/commandLine.ts";
import { defineFlow } from "../../src/core/flowDefinition.ts";
import { approval, gate, structured, yesOrNo } from "../../src/core/waits.ts";

/** Asks everything that a flow can ask, one after the other, and returns what it heard. */
const survey = defineFlow({
  name: "survey",
  version: 1,
  input: z.null(),
  run: async ({ flow }) => {
    const told = await flow.wait("sure", yesOrNo("Are you sure?", { about: { cost: 3 } }));
    const order = z.object({ size: z.enum(["small", "large"]), copies: z.int().positive() });
    const wanted = await flow.wait("order", structured("What shall it be?", order));
    const opened = await flow.wait("release", gate("Release it?"));
    await flow.log({ asked: 3, copies: wanted.ended === null ? wanted.value.copies : 0 });
    return {
      sure: told.ended ?? told.value,
      order: wanted.ended ?? wanted.value,
      released: opened.ended ?? "yes",
    };
  },
});

const places = z.object({ sent: z.string(), dieOnce: z.string().nullable() });

/** Sends something into the world once, and dies of it the first time where it is told to. */
const send = defineFlow({
  name: "send",
  version: 1,
  input: places,
  run: async ({ flow }, { sent, dieOnce }) => {
    const receipt = z.object({ receipt: z.string() });
    const spec = {
      effect: "external" as const,
      label: "post",
      args: { to: "wiki" },
      what: "post the summary to the wiki",
      output: receipt,
      skipped: { receipt: "none" },
    };
    const got = await flow.step("send", spec, async ({ operation, args }) => {
      appendFileSync(sent, `${operation} ${JSON.stringify(args)}\n`);
      if (dieOnce === sent) process.kill(process.pid, "SIGKILL");
      return { receipt: "r-1" };
    });
    return got.receipt;
  },
});

/** Sends something after a yes, and dies once: between the answer and the effect, or in its midst. */
const approvedSend = defineFlow({
  name: "approvedSend",
  version: 1,
  input: z.object({ sent: z.string(), died: z.string(), dies: z.enum(["before", "during"]) }),
  run: async ({ flow }, { sent, died, dies }) => {
    const dieAt = (where: string): void => {
      if (where !== dies || existsSync(died)) return;
      appendFileSync(died, where);
      process.kill(process.pid, "SIGKILL");
    };
    const form = { kind: "form" as const, about: "wiki", schema: null };
    const answer = await flow.wait("publish", approval("Post it?", form));
    if (answer.ended !== null || !answer.value.approved) return "not sent";
    dieAt("before");
    const spec = { effect: "external" as const, what: "post it", output: z.string() };
    return flow.step("send", { ...spec, skipped: "skipped" }, async ({ operation }) => {
      appendFileSync(sent, `${operation}\n`);
      dieAt("during");
      return "sent";
    });
  },
});

/** Three steps that build on one another. */
const article = defineFlow({
  name: "article",
  version: 1,
  input: z.object({ topic: z.string() }),
  run: async ({ flow }, { topic }) => {
    const text = { output: z.string() };
    const notes = await flow.step(
      "research",
      { ...text, args: { topic } },
      async ({ args }) => `notes on ${z.object({ topic: z.string() }).parse(args).topic}`,
    );
    const draft = await flow.step(
      "write",
      { ...text, args: { notes } },
      async ({ args }) => `Draft from ${z.object({ notes: z.string() }).parse(args).notes}`,
    );
    return flow.step("publish", { ...text, args: { draft } }, async () => `PUBLISHED: ${draft}`);
  },
});

process.exitCode = await commandLine(process.argv.slice(2), {
  dist: new URL("../../dist/", import.meta.url),
  flows: [survey, send, approvedSend, article],
});
