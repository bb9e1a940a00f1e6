import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { combine, profilePolicy, type Policy } from "../../src/core/policy.ts";
import { namedProfile, parseProfile, profiles } from "../../src/core/profile.ts";
import type { Verdict } from "../../src/core/records.ts";

const opinion = fc.constantFrom<Verdict | null>("allow", "ask", "deny", null);
const policies = (opinions: readonly (Verdict | null)[]): Policy[] =>
  opinions.map((verdict) => () => verdict);

test("deny beats ask, ask beats allow, and no opinion means ask", () => {
  for (const [opinions, verdict] of [
    [["allow", "deny", "ask"], "deny"],
    [["allow", "ask"], "ask"],
    [["allow", null], "allow"],
    [[null, null], "ask"],
    [[], "ask"],
  ] as const) {
    assert.equal(combine(policies(opinions))("exec"), verdict);
  }
});

test("the order of policies never matters", () => {
  fc.assert(
    fc.property(fc.array(opinion), (opinions) => {
      const forward = combine(policies(opinions))("exec");
      assert.equal(combine(policies(opinions.toReversed()))("exec"), forward);
    }),
  );
});

test("another opinion can only make a verdict stricter, once there is one", () => {
  const rank = { allow: 0, ask: 1, deny: 2 };
  fc.assert(
    fc.property(fc.array(opinion), opinion, (opinions, more) => {
      fc.pre(opinions.some((verdict) => verdict !== null));
      const before = combine(policies(opinions))("exec");
      const now = combine(policies([...opinions, more]))("exec");
      assert.ok(rank[now] >= rank[before]);
    }),
  );
});

test("a tool that the profile does not list is denied, one without a rule asks, and nobody there means denied", () => {
  const profile = {
    ...namedProfile("default"),
    tools: ["exec", "skill"],
    rules: { exec: "allow" },
  } as const;
  const attended = profilePolicy({ ...profile, tools: [...profile.tools] });
  assert.deepEqual(
    [attended("exec"), attended("skill"), attended("other")],
    ["allow", "ask", "deny"],
  );
  const unattended = profilePolicy({ ...profile, tools: [...profile.tools], unattended: true });
  assert.deepEqual([unattended("exec"), unattended("skill")], ["allow", "deny"]);
});

test("a profile file needs a name, changes what it says and leaves the rest as in the default", () => {
  const parsed = parseProfile('{"name": "mine", "commandTimeoutMs": 3}', "mine.json");
  assert.deepEqual(parsed, { ...profiles["default"], name: "mine", commandTimeoutMs: 3 });
  for (const [text, says] of [
    ["{", /mine\.json is not JSON/],
    ["{}", /mine\.json does not fit.*name/s],
    ['{"name": "x", "surprise": 1}', /surprise/],
    ['{"name": "x", "rules": {"exec": "maybe"}}', /exec/],
  ] as const) {
    assert.throws(() => parseProfile(text, "mine.json"), says);
  }
  assert.throws(
    () => namedProfile("nope"),
    /There is no profile "nope"\. Use default, careful, read-only/,
  );
});
