import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { namedProfile } from "../../src/core/profile.ts";
import { noBudgets } from "../../src/core/profileRecord.ts";
import { defineService } from "../../src/core/service.ts";
import { openAudit } from "../../src/auditParts.ts";
import { thisOwner } from "../../src/durable/owner.ts";
import { stateRoot } from "../../src/durable/storePlace.ts";
import { openStore } from "../../src/openStore.ts";
import { Engine } from "../../src/engine.ts";
import { scriptedServer } from "../cli/scriptedServer.ts";
import { botToken, teamServer } from "../services/teamServer.ts";
import { atMostOver, median, type Measure } from "./metric.ts";

const calls = 200;
const warmUp = 20;

/**
 * A call of a service with an effect, from when the model's answer is on disk until its outcome is,
 * over its bare handler (a request on loopback) in the same call: checks, both decisions by rules,
 * audit, intent and outcome, in a real engine on its real store. Without the time until records and
 * entries are on disk, which have figures of their own.
 */
export const serviceCall: Measure = async () => {
  const folder = mkdtempSync(join(process.cwd(), "out", "bench-"));
  const team = await teamServer();
  const bare: number[] = [];
  const whole: number[] = [];
  let disk = 0;
  const onDisk = async <Value>(writing: Promise<Value>): Promise<Value> => {
    const began = performance.now();
    try {
      return await writing;
    } finally {
      disk += performance.now() - began;
    }
  };
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
  const environment = { CAIRN_HOME: join(folder, "home") };
  const dist = new URL("../../dist/", import.meta.url);
  const root = stateRoot(environment);
  const { driver } = openStore({ workspace: folder, dist, root, owner: thisOwner(process.pid) });
  const append = driver.append.bind(driver);
  driver.append = async (...given) => onDisk(append(...given));
  const audit = openAudit(environment, { log: () => {}, redactor: { text: (text) => text } });
  const write = audit.write.bind(audit);
  // Nothing waits for the end of an effect.
  audit.write = async (entry) => (entry.kind === "ended" ? write(entry) : onDisk(write(entry)));
  const engine = new Engine({
    workspace: folder,
    dist,
    shippedSkills: "",
    version: "bench",
    image: "",
    dockerSocket: null,
    environment,
    driver,
    audit,
    apiKey: async () => "sk-bench-0123456789",
    log: () => {},
    onRecord: (record) => {
      if (record.kind !== "step.completed") return;
      const now = performance.now();
      if (record.name === "exec_service") whole.push(now - answered - disk);
      [answered, disk] = [now, 0];
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
    await audit.close();
    await Promise.all([team.close(), model.close()]);
    rmSync(folder, { recursive: true, force: true });
  }
  const over = whole.map((time, index) => time - (bare[index] ?? 0)).slice(warmUp);
  const handler = median(bare.slice(warmUp));
  const measured = atMostOver(handler + median(over), handler, { unit: "ms", over: 2 });
  return { "service.call.p50_ms": measured };
};
