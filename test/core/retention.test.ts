import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { SessionStatus } from "../../src/core/records.ts";
import { chooseExpired, type KeptSession } from "../../src/core/retention.ts";

const day = 86_400_000;
const now = 100 * day;

function kept(session: string, age: number, more: Partial<KeptSession> = {}): KeptSession {
  return { session, status: "completed", lastAt: now - age * day, bytes: 10, held: false, ...more };
}

test("without a limit, nothing is removed", () => {
  const sessions = [kept("a", 99), kept("b", 1)];
  const policy = { maxAgeMs: null, maxBytes: null };
  assert.deepEqual(chooseExpired(sessions, policy, now), { expired: [], bytesOver: 0 });
});

test("ended sessions that are older than the limit go, the oldest first", () => {
  const sessions = [
    kept("new", 1),
    kept("old", 40),
    kept("exactly", 30),
    kept("older", 50, { status: "failed" }),
    kept("running", 60, { status: "running" }),
    kept("waiting", 60, { status: "waiting" }),
    kept("open in a window", 60, { status: "cancelled", held: true }),
    kept("from a clock that is ahead", -5),
  ];
  assert.deepEqual(chooseExpired(sessions, { maxAgeMs: 30 * day, maxBytes: null }, now), {
    expired: [
      { session: "older", reason: "age" },
      { session: "old", reason: "age" },
    ],
    bytesOver: 0,
  });
});

test("then the oldest go until the rest fits, and not one more", () => {
  const sessions = [kept("c", 1), kept("b", 2), kept("a", 3), kept("empty", 9, { bytes: 0 })];
  assert.deepEqual(chooseExpired(sessions, { maxAgeMs: null, maxBytes: 15 }, now), {
    expired: [
      { session: "a", reason: "size" },
      { session: "b", reason: "size" },
    ],
    bytesOver: 0,
  });
  assert.deepEqual(chooseExpired(sessions, { maxAgeMs: null, maxBytes: 30 }, now).expired, []);
});

test("what is too old counts as gone before the size is looked at", () => {
  const sessions = [kept("old", 40, { bytes: 90 }), kept("new", 1)];
  assert.deepEqual(chooseExpired(sessions, { maxAgeMs: 30 * day, maxBytes: 20 }, now), {
    expired: [{ session: "old", reason: "age" }],
    bytesOver: 0,
  });
});

test("it is said by how much sessions at work keep the limit from being met", () => {
  const sessions = [kept("at work", 9, { status: "waiting", bytes: 80 }), kept("ended", 1)];
  assert.deepEqual(chooseExpired(sessions, { maxAgeMs: null, maxBytes: 50 }, now), {
    expired: [{ session: "ended", reason: "size" }],
    bytesOver: 30,
  });
});

const limit = fc.option(fc.nat(1000), { nil: null });
const sessions = fc.uniqueArray(
  fc.record({
    session: fc.string({ minLength: 1 }),
    status: fc.constantFrom<SessionStatus>(
      "running",
      "waiting",
      "completed",
      "failed",
      "cancelled",
    ),
    lastAt: fc.integer({ min: 0, max: 2000 }),
    bytes: fc.nat(400),
    held: fc.boolean(),
  }),
  { selector: ({ session }) => session },
);

function ended({ status, held }: KeptSession): boolean {
  return ["completed", "failed", "cancelled"].includes(status) && !held;
}

test("for any sessions and any policy: only what may go, no more than must, in one order", () => {
  fc.assert(
    fc.property(sessions, limit, limit, (all, maxAgeMs, maxBytes) => {
      const policy = { maxAgeMs, maxBytes };
      const { expired, bytesOver } = chooseExpired(all, policy, 1000);
      const gone = expired.map((each) => ({
        reason: each.reason,
        ...(all.find(({ session }) => session === each.session) ?? assert.fail()),
      }));
      const rest = all.filter(({ session }) => !gone.some((each) => each.session === session));
      const left = rest.reduce((sum, { bytes }) => sum + bytes, 0);
      const old = ({ lastAt }: { lastAt: number }): boolean =>
        maxAgeMs !== null && 1000 - lastAt > maxAgeMs;

      assert.equal(new Set(expired.map(({ session }) => session)).size, expired.length);
      assert.ok(gone.every(ended));
      for (const each of all) {
        if (ended(each))
          assert.equal(
            gone.some((one) => one.session === each.session && one.reason === "age"),
            old(each),
          );
      }
      assert.equal(bytesOver, maxBytes === null ? 0 : Math.max(0, left - maxBytes));
      const large = gone.filter(({ reason }) => reason === "size");
      const last = large.at(-1);
      if (last !== undefined) {
        // Without the last one it would not fit, and nothing older that gives bytes back stays.
        assert.ok(maxBytes !== null && left + last.bytes > maxBytes);
        const passed = rest.filter((each) => ended(each) && each.bytes > 0);
        assert.ok(passed.every(({ lastAt }) => lastAt >= last.lastAt));
      }
      if (bytesOver > 0) assert.ok(rest.every((each) => !ended(each) || each.bytes === 0));
      assert.deepEqual(chooseExpired(all.toReversed(), policy, 1000), { expired, bytesOver });
    }),
    { numRuns: 3000 },
  );
});
