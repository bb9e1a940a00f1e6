import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, suite, test } from "node:test";
import type { EgressRequest } from "../../src/core/egress.ts";
import { ruleSentence } from "../../src/core/rule.ts";
import { ReadyRules } from "../../src/rules/readyRules.ts";

const places: string[] = [];
after(() => {
  for (const place of places) rmSync(place, { recursive: true, force: true });
});

/** The ready rules of a home and a folder with these files, below `home/` and `folder/`. */
function ready(
  files: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
): ReadyRules {
  const place = mkdtempSync(join(tmpdir(), "cairn-ready-"));
  places.push(place);
  for (const [name, text] of Object.entries({ "home/x": "", "folder/x": "", ...files })) {
    mkdirSync(dirname(join(place, name)), { recursive: true });
    writeFileSync(join(place, name), text);
  }
  const own = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, value.replace("PLACE", place)]),
  );
  return new ReadyRules({
    workspace: join(place, "folder"),
    home: join(place, "home"),
    environment: own,
  });
}

async function said(rules: ReadyRules): Promise<readonly string[]> {
  return (await rules.all()).map(({ proxy, from, whose }) => {
    const sentence = ruleSentence({ id: "r", decision: "allow", tool: "egress", proxy });
    return `${whose}, ${from}: ${sentence}`;
  });
}

function get(address: string, method: string | null = "GET"): EgressRequest {
  const { hostname, port, pathname } = new URL(address);
  return {
    scheme: "https",
    host: hostname,
    port: port === "" ? 443 : Number(port),
    method,
    path: method === null ? null : pathname,
  };
}

suite("ready rules", () => {
  test("a user's npm configuration names registries, scoped ones too, and no token is taken from it", async () => {
    const rules = ready({
      "home/.npmrc": [
        "registry=https://packages.example/npm/",
        '@team:registry = "https://team.example:8443/r"',
        "//packages.example/npm/:_authToken=npm_0123456789abcdef",
        "@late:registry=https://${HOST}/",
        "; registry=https://comment.example/",
        "registry=ssh://nothing.example/",
      ].join("\n"),
    });
    assert.deepEqual(await said(rules), [
      "user, your npm configuration: Allows GET and HEAD of https://packages.example/npm/ and what is below it, with no header added.",
      "user, your npm configuration: Allows GET and HEAD of https://team.example:8443/r/ and what is below it, with no header added.",
    ]);
    assert.doesNotMatch(JSON.stringify(await rules.all()), /npm_0123/);
  });

  test("a folder's own npmrc comes last and is labelled, and neither its headers nor a link count", async () => {
    const text = "registry=https://stranger.example/\n//stranger.example/:_authToken=abc\n";
    const rules = ready({ "folder/.npmrc": text, "home/.npmrc": "registry=https://mine.example/" });
    assert.deepEqual(
      (await rules.all()).map(({ proxy, whose }) => [proxy.hosts, whose, proxy.headers]),
      [
        [["mine.example"], "user", undefined],
        [["stranger.example"], "folder", undefined],
      ],
    );
    const linked = ready({ "home/real": text });
    const place = places.at(-1) ?? "";
    symlinkSync(join(place, "home/real"), join(place, "folder/.npmrc"));
    assert.deepEqual(await linked.all(), []);
    // A link of the user's own is followed: that is how many keep such files.
    symlinkSync(join(place, "home/real"), join(place, "home/.npmrc"));
    assert.deepEqual(
      (await linked.all()).map(({ whose }) => whose),
      ["user"],
    );
  });

  test("pip's configuration and variables name indexes, with the packages beside them and without a password", async () => {
    const rules = ready(
      {
        "home/.config/pip/pip.conf": [
          "[global]",
          "# index-url = https://comment.example/simple",
          "index-url = https://user:secret-0123@pip.example/api/simple",
          "extra-index-url =",
          "    https://one.example/simple/",
          "    http://two.example:8080/simple/",
          "timeout = 60",
        ].join("\n"),
      },
      {
        PIP_EXTRA_INDEX_URL: "https://three.example/simple https://four.example/root/pypi/+simple",
      },
    );
    assert.deepEqual(
      (await rules.all()).map(({ proxy }) => `${proxy.hosts.join()} ${proxy.paths.join()}`),
      [
        "three.example /",
        "four.example /root/pypi/+simple/",
        "pip.example /api/",
        "one.example /",
        "two.example /",
      ],
    );
    assert.doesNotMatch(JSON.stringify(await rules.all()), /secret-0123/);
  });

  test("the folder's https remotes may be cloned and fetched and nothing else, and those by ssh give no rule", async () => {
    const config = [
      "[core]",
      "\turl = https://not-a-remote.example/x",
      '[remote "origin"]',
      "\turl = https://me:token-0123@git.example/team/app.git",
      "\tfetch = +refs/heads/*:refs/remotes/origin/*",
      '[remote "ssh"]',
      "\turl = git@git.example:team/app.git",
      '[remote "also"]',
      "\turl = ssh://git@git.example/team/app.git",
    ].join("\n");
    for (const files of [
      { "folder/.git/config": config },
      {
        "folder/.git": "gitdir: ../main/.git/worktrees/w\n",
        "main/.git/worktrees/w/commondir": "../..\n",
        "main/.git/config": config,
      },
    ]) {
      const rules = ready(files);
      assert.equal((await rules.all()).length, 1);
      const base = "https://git.example/team/app.git";
      for (const [method, path, covered] of [
        ["GET", "/info/refs", true],
        ["POST", "/git-upload-pack", true],
        ["POST", "/git-receive-pack", false],
        ["GET", "/", false],
        ["PUT", "/info/refs", false],
      ] as const) {
        const found = await rules.find(get(`${base}${path}`, method));
        assert.equal(found !== null, covered, `${method} ${path}`);
      }
      assert.equal(await rules.find(get("https://git.example/team/other.git/info/refs")), null);
      assert.doesNotMatch(JSON.stringify(await rules.all()), /token-0123/);
    }
  });

  test("a connection of which nothing was seen is covered by the host alone, and nothing named means no rule", async () => {
    const rules = ready({ "home/.npmrc": "registry=https://packages.example/npm/" });
    assert.ok((await rules.find(get("https://packages.example/", null))) !== null);
    assert.equal(await rules.find(get("https://other.example/", null)), null);
    assert.equal(await rules.find(get("https://packages.example/other")), null);
    assert.deepEqual(await ready({}).all(), []);
  });

  test("a configuration that is hostile, cut off or huge names nothing and stops nothing", async () => {
    const rules = ready({
      "home/.npmrc": `registry=https://a b/\nregistry=javascript:alert(1)\nregistry=\0\n@x:registry=//h/\n${"registry=".repeat(1000)}`,
      "home/.config/pip/pip.conf": "index-url\n[[[\nindex-url = https://[::1\n",
      "folder/.git": "gitdir: /proc/self/environ\n",
    });
    assert.deepEqual(await rules.all(), []);
  });
});
