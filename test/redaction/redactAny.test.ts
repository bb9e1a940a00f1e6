import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import type { JsonValue } from "../../src/core/records.ts";
import { Secrets } from "../../src/redaction/secrets.ts";
import { fully } from "./fully.ts";
import { awsKey, awsSecret, jwt, random, tokens } from "./secretSamples.ts";

suite("for any value", () => {
  const pieces = fc.constantFrom(
    ...Object.values(tokens).flat(),
    "password=",
    'token: "',
    "'",
    '"',
    "\\",
    "\n",
    "\\n",
    " ",
    "=",
    ": ",
    "hunter2",
    "--password ",
    "Authorization: ",
    "Bearer ",
    "Basic ",
    "https://a:b@",
    "machine h login l password ",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "[redacted: jwt]",
    "[redacted: ",
    "eyJabcdefgh.",
    "known secret value",
    awsSecret,
  );
  const strings = fc.oneof(
    fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join("")),
    fc.string({ unit: "binary" }),
  );
  const names = fc.oneof(
    strings,
    fc.constantFrom("password", "token", "name", "value", "__proto__"),
  );
  const json = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      strings,
      fc.constantFrom(null, true, 1.5),
      fc.array(tie("value"), { maxLength: 4 }),
      fc
        .array(fc.tuple(names, tie("value")), { maxLength: 4 })
        .map((entries): JsonValue => Object.fromEntries(entries)),
    ),
  })).value;
  const known = ["known secret value", "redacted", "secret"];

  test("a second time finds nothing and changes nothing", () => {
    fc.assert(
      fc.property(json, (value) => {
        const once = fully(value, { known }).value;
        const twice = fully(once, { known });
        assert.equal(JSON.stringify(twice.value), JSON.stringify(once));
        assert.equal(twice.found.size, 0);
      }),
      { numRuns: 2000 },
    );
  });

  test("what is kept is found once, too, and JSON in it stays JSON", () => {
    const secrets = new Secrets();
    for (const each of known) secrets.register(each);
    const { persisted } = secrets;
    fc.assert(
      fc.property(json, (value) => {
        const once = persisted.value(value);
        assert.equal(persisted.value(once), once);
        const inside = persisted.text(JSON.stringify({ value }));
        assert.doesNotThrow(() => JSON.parse(inside));
        assert.equal(persisted.text(inside), inside);
      }),
      { numRuns: 2000 },
    );
  });

  test("the shape stays, and no token and no known value is left", () => {
    const whole = (value: JsonValue): unknown => {
      if (typeof value === "string") return "text";
      if (typeof value !== "object" || value === null) return value;
      return Array.isArray(value) ? value.map(whole) : Object.values(value).map(whole);
    };
    const left = new RegExp(
      `(?<![A-Za-z0-9_-])(?:ghp_${random(36)}|${jwt.replaceAll(".", "\\.")})|known secret value`,
    );
    fc.assert(
      fc.property(json, (value) => {
        const plain = fully(value, { known }).value;
        assert.deepEqual(whole(plain), whole(value));
        assert.doesNotMatch(JSON.stringify(plain), left);
      }),
      { numRuns: 1000 },
    );
  });

  test("a text without the letters of a secret is never changed", () => {
    const harmless = fc.string({ unit: fc.constantFrom("a", "b", " ", "\n", ".", "(", "'") });
    fc.assert(fc.property(harmless, (value) => fully(value).value === value));
  });
});

/** Of this process, so that others on the machine do not count. */
function secondsFor(value: string): number {
  const before = process.cpuUsage();
  fully(value, { known: ["known secret value"] });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

suite("a megabyte that was made to be slow takes time by its length, not by its square", () => {
  const size = 1_000_000;
  /** By the square it would be an hour. */
  const mostSeconds = 5;
  const units = [
    "a",
    " ",
    "\n",
    "\\",
    '"',
    "=",
    "-",
    "eyJaaaaaaaa_",
    "eyJaaaaaaaa.",
    "ghp_",
    "github_pat_",
    "sk-ant-",
    "AKIA",
    `${awsKey} `,
    "://a:",
    "://",
    "password=",
    'password="',
    "password='\\",
    "password: \"password: 'password: `",
    "password   ",
    "password=a.a.a ",
    "token: a",
    "secret",
    "--password ",
    "_auth_auth",
    "Bearer ",
    "bearer+",
    "Basic ",
    "Basic Ojo6Ojo6",
    "machine a login ",
    "default default ",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----AAAAAAAAAAAAAAAA",
    "-----END PRIVATE KEY-----",
    "[redacted: ",
    "[redacted: jwt]",
    "Authorization: Digest ",
    'password=\\"password=\\\\\\"',
    "hooks.slack.com/services/",
  ];
  for (const unit of units) {
    test(`of ${JSON.stringify(unit)}`, () => {
      assert.ok(secondsFor(unit.repeat(Math.ceil(size / unit.length))) < mostSeconds);
    });
  }

  test("or of anything after a quote that never closes", () => {
    for (const unit of ["a", "password=", "secret", "token: a", "\\", "Bearer "]) {
      assert.ok(
        secondsFor(`password="${unit.repeat(Math.ceil(size / unit.length))}`) < mostSeconds,
        unit,
      );
    }
  });

  test("and sixteen megabytes in one word are no trouble", () => {
    const { value } = fully(`ghp_${"a".repeat(16_000_000)} b`);
    assert.equal(value, "[redacted: github token] b");
  });
});
