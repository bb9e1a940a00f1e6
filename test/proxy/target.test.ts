import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { absoluteOf, authorityOf, hostOf, tunnelOf } from "../../src/proxy/target.ts";

suite("a host has one spelling", () => {
  test("capitals and the dot at its end are the same host", () => {
    assert.equal(hostOf("API.Test"), "api.test");
    assert.equal(hostOf("api.test."), "api.test");
    assert.equal(hostOf("xn--bcher-kva.test"), "xn--bcher-kva.test");
    assert.equal(hostOf("127.0.0.1"), "127.0.0.1");
    assert.equal(hostOf("[2606:4700::1]"), "[2606:4700::1]");
  });

  test("what is no host, and an address in another spelling, is not understood", () => {
    const odd = [
      "",
      ".",
      "api.test..",
      ".api.test",
      "a..b",
      "-a.test",
      "a_b.test",
      "user@evil",
      "api.test%00.evil",
      "api.test\0.evil",
      "api.test\\.evil",
      "api.test/evil",
      "api.test ",
      "bücher.test",
      "①②⑦.⓪.⓪.①",
      "127。0。0。1",
      "2130706433",
      "0x7f000001",
      "0x7f.1",
      "0177.0.0.1",
      "127.1",
      "127.0.0.01",
      "127.0.0.1.",
      "1.2.3.4.5",
      "256.0.0.1",
      "a.0x7f",
      "a.1",
      "::1",
      "[::1",
      "[::1]x",
      "[0:0:0:0:0:0:0:1]",
      "[::ffff:127.0.0.1]",
      "[fe80::1%eth0]",
      "[fe80::1%25eth0]",
      "[127.0.0.1]",
      "[v1.a]",
      `${"a".repeat(64)}.test`,
      `${"a.".repeat(127)}test`,
    ];
    const passed = odd.filter((text) => hostOf(text) !== null);
    // The dot at the end of an address is one too many, but the address is the same.
    assert.deepEqual(passed, ["127.0.0.1."]);
  });

  test("a port is a number that is written in one way", () => {
    assert.deepEqual(authorityOf("api.test:80", "http"), authorityOf("api.test", "http"));
    for (const text of [
      "a.test:",
      "a.test:0",
      "a.test:080",
      "a.test:65536",
      "a.test:+1",
      "a.test:8a",
    ]) {
      assert.equal(authorityOf(text, "https"), null, text);
    }
    assert.equal(tunnelOf("api.test"), null);
    assert.deepEqual(tunnelOf("API.test:443"), { scheme: "https", host: "api.test", port: 443 });
  });
});

test("the address of a request is its scheme, host, port and path, and nothing else", () => {
  assert.deepEqual(absoluteOf("HTTP://API.test:81/a?b"), {
    scheme: "http",
    host: "api.test",
    port: 81,
    path: "/a?b",
  });
  assert.equal(absoluteOf("http://api.test")?.path, "/");
  const odd = [
    "/a",
    "*",
    "//api.test/",
    "http:/api.test/",
    "http:///api.test/",
    "http://",
    "http://user@api.test/",
    "http://user:word@api.test/",
    "http://api.test#@evil/",
    "http://api.test\\@evil/",
    "http://api.test?a",
    "http://api.test%00.evil/",
    "http://api.test/a#b",
    "ftp://api.test/",
    "file:///etc/passwd",
  ];
  assert.deepEqual(
    odd.filter((text) => absoluteOf(text) !== null),
    [],
  );
});
