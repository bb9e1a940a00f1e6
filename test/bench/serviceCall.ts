import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { namedProfile } from "../../src/core/profile.ts";
import { noBudgets } from "../../src/core/records.ts";
import { defineService } from "../../src/core/service.ts";
import { Engine } from "../../src/engine.ts";
import { scriptedServer } from "../cli/scriptedServer.ts";
import { botToken, teamServer } from "../services/teamServer.ts";
import { atMostOver, median, type Measure } from "./metric.ts";

const calls = 200;
const warmUp = 20;

/**
 * A call of a service with an effect, from when the model's answer is on disk until its outcome is,
 * over its bare handler (a request on loopback) in the same call: the decision by rules, audit log,
 * intent, checks and outcome, with the real store and engine.
 */
export const serviceCall: Measure = async () => {
  const folder = mkdtempSync(join(process.cwd(), "out", "bench-"));
  const team = await teamServer();
  const bare: number[] = [];
  const whole: number[] = [];
  const post = defineService({
    name: "post",
    description: "Posts.",
    args: z.strictObject({ text: z.string() }),
    result: z.object({ id: z.string() }),
    effect: "external",
    secrets: [],
    address: "profile",
    what: () => "post",
    handler: async ({ args, http }) => {
      const began = performance.now();
      const posted = await http.send(
        {
          method: "POST",
          path: ["webhooks", "bench", "messages"],
          headers: { authorization: `Bot ${botToken}` },
          json: { content: args.text },
        },
        z.object({ id: z.string() }),
      );
      bare.push(performance.now() - began);
      return posted;
    },
  });
  const model = await scriptedServer([
    ...Array.from({ length: calls }, (_, index) => ({
      text: "",
      calls: [
        { id: `c${index}`, tool: "exec_service", args: { service: "post", args: { text: "x" } } },
      ],
    })),
    { text: "Done." },
  ]);
  let answered = 0;
  const engine = new Engine({
    workspace: folder,
    dist: new URL("../../dist/", import.meta.url),
    shippedSkills: "",
    version: "bench",
    image: "",
    dockerSocket: null,
    environment: { CAIRN_HOME: join(folder, "home") },
    apiKey: async () => "sk-bench-0123456789",
    log: () => {},
    onRecord: (record) => {
      if (record.kind !== "step.completed") return;
      if (record.stepKind === "model") answered = performance.now();
      if (record.name === "exec_service") whole.push(performance.now() - answered);
    },
    services: [post],
  });
  try {
    const run = await engine.start({
      prompts: ["post"],
      profile: {
        ...namedProfile("default"),
        apply: "onRequest",
        budgets: noBudgets,
        allowedServices: { post: { url: team.url, decision: "allow" } },
      },
      model: { demo: false, url: model.url, name: "bench" },
      sandbox: "embedded",
      skills: join(process.cwd(), "skills"),
    });
    if ((await run.done) !== "completed" || whole.length !== calls) {
      throw new Error("The session did not make its calls.");
    }
  } finally {
    await engine.close();
    await Promise.all([team.close(), model.close()]);
    rmSync(folder, { recursive: true, force: true });
  }
  const over = whole.map((time, index) => time - (bare[index] ?? 0)).slice(warmUp);
  const handler = median(bare.slice(warmUp));
  const measured = atMostOver(handler + median(over), handler, { unit: "ms", over: 2 });
  return { "service.call.p50_ms": measured };
};
