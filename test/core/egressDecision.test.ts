import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { decideEgress, pathReadings } from "../../src/core/egressDecision.ts";
import type { SandboxProxyRule } from "../../src/core/proxyRule.ts";

function rule(name: string, more: Partial<SandboxProxyRule> = {}): SandboxProxyRule {
  return { name, hosts: ["api.test"], methods: ["GET"], paths: ["/v1/"], ...more };
}

/** The rule that has the say, or the code. */
function decided(
  allowed: readonly SandboxProxyRule[],
  url: string,
  { method = "GET", denied = [] as readonly SandboxProxyRule[] } = {},
): string {
  const parts = /^(https?):\/\/([^/:]+)(?::(\d+))?(\/.*)$/.exec(url);
  const scheme = parts?.[1] === "http" ? "http" : "https";
  const port = Number(parts?.[3] ?? (scheme === "https" ? 443 : 80));
  const request = { scheme, host: parts?.[2] ?? "", port, method, path: parts?.[4] ?? "" } as const;
  const { refused, rule: by } = decideEgress(request, { allowed, denied });
  return refused ?? by.name;
}

suite("what a rule lets out", () => {
  test("is its scheme, hosts, ports, methods and paths, and nothing beside them", () => {
    const allowed = [rule("api")];
    const expected = {
      "https://api.test/v1/a": "api",
      "https://api.test:443/v1/": "api",
      "https://api.test:8443/v1/a": "proxy.noRule",
      "http://api.test/v1/a": "proxy.noRule",
      "https://sub.api.test/v1/a": "proxy.noRule",
      "https://api.test.evil.com/v1/a": "proxy.noRule",
      "https://evil.com/api.test/v1/": "proxy.noRule",
      "https://api.test/v1": "proxy.notCovered",
      "https://api.test/v10/": "proxy.notCovered",
      "https://api.test/V1/a": "proxy.notCovered",
    };
    const found = Object.keys(expected).map((url) => [url, decided(allowed, url)]);
    assert.deepEqual(Object.fromEntries(found), expected);
    for (const method of ["get", "POST", "HEAD"]) {
      assert.equal(decided(allowed, "https://api.test/v1/a", { method }), "proxy.notCovered");
    }
  });

  test("subdomains only where it says so, and then not the domain itself", () => {
    const allowed = [rule("all", { hosts: ["*.test"] })];
    assert.equal(decided(allowed, "https://a.b.test/v1/"), "all");
    assert.equal(decided(allowed, "https://test/v1/"), "proxy.noRule");
    assert.equal(decided(allowed, "https://atest/v1/"), "proxy.noRule");
  });

  test("a rule that denies goes first, however wide the others are", () => {
    const denied = [rule("no", { paths: ["/v1/keys/"] })];
    const allowed = [rule("api", { paths: ["/v1/", "/v1/keys/a"] })];
    assert.equal(decided(allowed, "https://api.test/v1/keys/a", { denied }), "proxy.denied");
    assert.equal(decided(allowed, "https://api.test/v1/key%73/a", { denied }), "proxy.denied");
    assert.equal(decided(allowed, "https://api.test/v1/other", { denied }), "api");
  });

  test("the narrowest of the rules that fit has the say", () => {
    const allowed = [
      rule("far", { hosts: ["*.test"] }),
      rule("near", { hosts: ["*.api.test"] }),
      rule("many", { methods: ["GET", "HEAD"], paths: ["/v1/"] }),
      rule("folder"),
      rule("later"),
      rule("deep", { paths: ["/v1/items/"] }),
      rule("exact", { paths: ["/v1/items/7"] }),
    ];
    const expected = {
      "https://api.test/v1/items/7": "exact",
      "https://api.test/v1/items/8": "deep",
      "https://api.test/v1/a": "folder",
      "https://x.api.test/v1/a": "near",
      "https://x.test/v1/a": "far",
    };
    const found = Object.keys(expected).map((url) => [url, decided(allowed, url)]);
    assert.deepEqual(Object.fromEntries(found), expected);
  });
});

suite("a path counts as every server may read it", () => {
  test("what could be another place is not understood", () => {
    const odd = [
      "",
      "v1/a",
      "*",
      "/v1/../a",
      "/v1/./a",
      "/v1/..",
      "/v1//a",
      "//v1",
      "/v1/%2e%2e/a",
      "/v1/%2E/a",
      "/v1/a%2eb",
      "/v1/..%2fa",
      "/v1/%252e%252e/a",
      "/v1/..%252fa",
      "/v1/%2f/a",
      "/v1\\a",
      "/v1/%5ca",
      "/v1/%255ca",
      "/v1/..;/a",
      "/v1/..;x=1/a",
      "/v1/%00",
      "/v1/%2500",
      "/v1/%0a",
      "/v1/%7f",
      "/v1/%",
      "/v1/%zz",
      "/v1/a b",
      "/v1/ä",
      "/v1/\u2025/a",
      "/v1/a#b",
      "/v1/a?b",
      `/v1/${"%25".repeat(1)}252525252e`,
    ];
    assert.deepEqual(
      odd.filter((path) => pathReadings(path) !== null),
      [],
    );
  });

  test("what can be read in two ways has to fit in both", () => {
    const scoped = rule("packages", { paths: ["/"] });
    assert.equal(decided([scoped], "https://api.test/@scope%2fname"), "packages");
    assert.equal(decided([rule("api")], "https://api.test/v1%2fa"), "proxy.notCovered");
    assert.equal(decided([rule("api")], "https://api.test/v%31/a"), "proxy.notCovered");
    assert.equal(decided([rule("api")], "https://api.test/v1/a%2fb"), "api");
    assert.equal(decided([rule("api")], "https://api.test/v1/..a/...b/c.d"), "api");
    const one = rule("one", { paths: ["/v1/a%20b"] });
    assert.equal(decided([one], "https://api.test/v1/a%20b"), "one");
    assert.equal(decided([one], "https://api.test/v1/a%2520b"), "proxy.notCovered");
  });
});
