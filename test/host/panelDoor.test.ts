import assert from "node:assert/strict";
import { test } from "node:test";
import { PanelDoor } from "../../src/host/panelDoor.ts";

const shown = { session: "s", wait: "w", digest: "d" };

function opened(): { door: PanelDoor; said: string[]; clock: { at: number } } {
  const clock = { at: 0 };
  return { door: new PanelDoor(() => clock.at), said: [], clock };
}

test("a wait that was sent is answered once, and by its own nonce", () => {
  const { door } = opened();
  const nonce = door.nonceFor(shown);
  assert.equal(door.nonceFor(shown), nonce);
  const refused = { code: "wait.notShown" };
  assert.throws(() => door.take({ ...shown, nonce: "guess" }), refused);
  assert.throws(() => door.take({ ...shown, wait: "*", nonce }), refused);
  assert.throws(() => door.take({ ...shown, digest: "other", nonce }), refused);
  door.take({ ...shown, nonce });
  assert.throws(() => door.take({ ...shown, nonce }), refused);
  assert.notEqual(door.nonceFor(shown), nonce);
});

test("nothing is answered for a page that is new, or for a wait that went long ago", () => {
  const { door } = opened();
  const first = door.nonceFor(shown);
  door.reset();
  assert.throws(() => door.take({ ...shown, nonce: first }), { code: "wait.notShown" });
  const second = door.nonceFor(shown);
  for (let more = 0; more < 50; more += 1) door.nonceFor({ ...shown, digest: `${more}` });
  door.keepOnly([{ ...shown, digest: "changed" }]);
  assert.throws(() => door.take({ ...shown, nonce: second }), { code: "wait.notShown" });
});

test("an answer that was under way when the wait went comes through, once, to be told who was first", () => {
  const { door } = opened();
  const nonce = door.nonceFor(shown);
  door.keepOnly([]);
  door.take({ ...shown, nonce });
  assert.throws(() => door.take({ ...shown, nonce }), { code: "wait.notShown" });
});

test("what is no message is not acted on: other kinds, missing words, words too many", () => {
  const { door, said } = opened();
  const answer = { kind: "answer", ...shown, nonce: "n", answer: true };
  const messages = [
    null,
    "approve",
    { type: "approve", id: "*" },
    { kind: "approveAll" },
    { ...answer, nonce: undefined },
    { ...answer, wait: 7 },
    { ...answer, extra: 1 },
    JSON.parse('{"kind":"ready","__proto__":{"kind":"answer"},"more":1}'),
  ];
  for (const raw of messages)
    assert.equal(
      door.read(raw, (line) => said.push(line)),
      null,
    );
  assert.equal(said.length, messages.length);
  assert.deepEqual(
    door.read(answer, () => {}),
    answer,
  );
});

test("of a hundred thousand messages a second a few get through, and a person is heard again after", () => {
  const { door, said, clock } = opened();
  let passed = 0;
  const began = process.cpuUsage();
  for (let count = 0; count < 100_000; count += 1) {
    clock.at = count / 100;
    if (door.read({ kind: "ready" }, (line) => said.push(line)) !== null) passed += 1;
  }
  assert(process.cpuUsage(began).user < 1_000_000);
  assert(passed <= 220, String(passed));
  assert(said.length <= 220);
  clock.at += 1000;
  assert.notEqual(
    door.read({ kind: "ready" }, (line) => said.push(line)),
    null,
  );
});
