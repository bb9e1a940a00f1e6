import assert from "node:assert/strict";
import type { Decision, SessionRecord } from "../../src/core/records.ts";
import type { Rule } from "../../src/core/rule.ts";
import type { Session } from "../../src/core/session.ts";
import { FakeWayOut } from "../fakes/fakeWayOut.ts";
import { by, calls, Machine, never } from "./machine.ts";

export const page = "https://wiki.example/snippets/one";
export const yes: Decision = { approved: true, note: "" };

/** A machine whose commands are requests, `curl URL` or `post URL`, by rules as files keep them. */
export function online(replies: ConstructorParameters<typeof Machine>[0]): {
  machine: Machine;
  way: FakeWayOut;
  rules: Rule[];
} {
  const machine = new Machine(replies);
  const way = new FakeWayOut();
  const rules: Rule[] = [];
  machine.wayOut = way;
  machine.grant = async (granted) => {
    rules.push(...granted);
    way.allowed = rules.flatMap(({ proxy }) => proxy ?? []);
  };
  machine.ruled(rules);
  return { machine, way, rules };
}

/** Runs what the commands ask for. */
export function wire(machine: Machine, way: FakeWayOut): void {
  machine.sandbox.onRun = async (command) => {
    for (const one of command.split("; ")) {
      const [program, url = ""] = one.split(" ");
      if (program === "curl") await way.request("GET", url);
      if (program === "post") await way.request("POST", url);
      if (program === "tunnel") await way.request(null, url);
    }
  };
}

export const curl = (id: string, command = `curl ${page}`) => calls([id, "exec", { command }]);

export async function answer(
  session: Session,
  value: Decision = yes,
  wait?: string,
): Promise<string> {
  const open = session.view.openWaits.find((each) => wait === undefined || each.wait === wait);
  assert.ok(open !== undefined, `no open wait ${wait}`);
  return session.answer({ wait: open.wait, digest: open.digest, value, by }, never);
}

/** What the model was told as the result of its last call. */
export function told(machine: Machine): string {
  const last = machine.model.requests.at(-1)?.messages.at(-1);
  assert.ok(last?.role === "tool");
  return last.text;
}

export const waits = (records: readonly SessionRecord[]): readonly string[] =>
  records.flatMap((record) => (record.kind === "wait.opened" ? [record.wait] : []));
