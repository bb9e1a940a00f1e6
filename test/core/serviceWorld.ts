import assert from "node:assert/strict";
import * as z from "zod";
import { profilePermissions } from "../../src/core/policy.ts";
import { namedProfile } from "../../src/core/profile.ts";
import { toolOutput, type ModelReply } from "../../src/core/records.ts";
import type { Profile } from "../../src/core/profileRecord.ts";
import { defineService, type Service, type ServiceEffect } from "../../src/core/service.ts";
import { begunCalls, ServiceMeter } from "../../src/core/serviceMeter.ts";
import type { Session } from "../../src/core/session.ts";
import { Secrets } from "../../src/redaction/secrets.ts";
import { execServiceTool } from "../../src/tools/execService.ts";
import { calls, Machine } from "./machine.ts";

export const step = "turn/1/tool/a";

/** Machines with one service, which remembers the keys of its calls. */
export function world(effect: ServiceEffect, grant: Profile["allowedServices"], more: object = {}) {
  const keys: string[] = [];
  const send = defineService({
    name: "send",
    description: "Sends.",
    args: z.strictObject({ to: z.string(), text: z.string().default("hello") }),
    result: z.object({ sent: z.string() }),
    effect,
    secrets: ["send-token"],
    address: "profile",
    what: ({ to }) => `send to ${to}`,
    says: ({ sent }) => `Sent ${sent}.`,
    handler: async ({ args, idempotencyKey, secret }) => {
      await secret("send-token");
      keys.push(idempotencyKey);
      onSend();
      return { sent: args.to };
    },
    ...more,
  });
  let onSend = (): void => {};
  const profile: Profile = { ...namedProfile("default"), ...grantOf(grant), apply: "onRequest" };
  const machine = (...replies: readonly ModelReply[]): Machine => {
    const made: Machine = new Machine(
      replies,
      tools([send], profile, () => meterNow(made)),
    );
    made.permissions = (given) => meterNow(made).permissions(profilePermissions(given));
    return made;
  };
  let meter: ServiceMeter | null = null;
  const meterNow = (made: Machine): ServiceMeter => {
    const { world: clock, driver } = made;
    const past = async () => begunCalls(await driver.read("s"), "exec_service");
    meter ??= new ServiceMeter(profile, () => clock.now(), past);
    return meter;
  };
  const reload = async (made: Machine): Promise<Session> => {
    meter = null;
    return made.reload();
  };
  return { keys, send, profile, machine, reload, onSent: (act: () => void) => (onSend = act) };
}

function grantOf(allowedServices: Profile["allowedServices"]) {
  return allowedServices === undefined ? {} : { allowedServices };
}

export function tools(services: readonly Service[], profile: Profile, meter: () => ServiceMeter) {
  const tool = execServiceTool({
    services,
    profile,
    http: () => ({ send: async () => Promise.reject(new Error("no network here")) }),
    secret: async () => "send-0123456789",
    redactor: new Secrets().persisted,
    meter: { begin: async (name) => meter().begin(name) },
  });
  return tool === null ? [] : [tool];
}

export const url = "https://send.example";
export const free: Profile["allowedServices"] = { send: { url, decision: "allow" } };

export function sends(id: string, args: object = { to: "team" }): ModelReply {
  return calls([id, "exec_service", { service: "send", args }]);
}

export function told({ records }: Session, id = step): string {
  const done = records.findLast((one) => one.kind === "step.completed" && one.step === id);
  assert.ok(done?.kind === "step.completed", `${id} has an outcome`);
  return toolOutput.parse(done.output).text;
}

export function opened({ records }: Session): readonly string[] {
  return records.flatMap((record) => (record.kind === "wait.opened" ? [record.wait] : []));
}
