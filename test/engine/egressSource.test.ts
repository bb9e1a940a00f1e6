import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import type { EgressReport, EgressRules } from "../../src/core/egress.ts";
import type { Egress } from "../../src/core/ports.ts";
import { namedProfile } from "../../src/core/profile.ts";
import type { SandboxProxyRule } from "../../src/core/proxyRule.ts";
import type { Profile } from "../../src/core/profileRecord.ts";
import { EgressSource } from "../../src/egressSource.ts";
import { Secrets } from "../../src/redaction/secrets.ts";
import { ReadyRules } from "../../src/rules/readyRules.ts";
import { RuleBook } from "../../src/rules/ruleBook.ts";
import { SecretFiles } from "../../src/rules/secretFiles.ts";
import { anyPlace } from "../contracts/records.ts";
import { fakeWorld } from "../fakes/fakeWorld.ts";
import { MemoryAudit } from "../fakes/memoryAudit.ts";

const by = { user: "dev", surface: "cli" } as const;
const wiki: SandboxProxyRule = {
  name: "wiki",
  hosts: ["wiki.example"],
  methods: ["GET"],
  paths: ["/"],
  headers: { Authorization: "Bearer {{ wiki-token }}" },
};
const plain = (name: string): SandboxProxyRule => ({
  name,
  hosts: [`${name}.example`],
  methods: ["GET"],
  paths: ["/"],
});

/** A proxy that remembers the rules that it was told. */
class ToldEgress implements Egress {
  readonly told: EgressRules[] = [];
  readonly refused: EgressReport[] = [];
  #rules: () => Promise<EgressRules> = async () => ({ allowed: [], denied: [], secrets: {} });

  goBy(rules: () => Promise<EgressRules>): void {
    this.#rules = rules;
  }

  async listen(): Promise<void> {
    this.told.push(await this.#rules());
  }

  async serve(): Promise<void> {}

  async renew(): Promise<void> {
    this.told.push(await this.#rules());
  }

  async settle(): Promise<void> {}

  takeRefused(): readonly EgressReport[] {
    return this.refused.splice(0);
  }

  async close(): Promise<void> {}

  get names(): readonly string[] {
    return this.told.map(({ allowed, denied }) =>
      [...allowed, ...denied.map(({ name }) => ({ name: `-${name}` }))]
        .map(({ name }) => name)
        .join(" "),
    );
  }
}

const place = mkdtempSync(join(tmpdir(), "cairn-egress-"));
after(() => rmSync(place, { recursive: true, force: true }));
let desks = 0;

function desk(more: Partial<Profile> = {}) {
  desks += 1;
  const root = join(place, `${desks}`, "state");
  const workspace = join(place, `${desks}`, "folder");
  mkdirSync(root, { recursive: true, mode: 0o700 });
  mkdirSync(workspace);
  const book = (): RuleBook =>
    new RuleBook({
      root,
      workspace,
      key: new Uint8Array(32).fill(7),
      managed: join(root, "managed.json"),
      audit: new MemoryAudit(),
      tell: () => {},
    });
  const audit = new MemoryAudit();
  const secrets = new Secrets();
  const files = new SecretFiles(root);
  const logged: string[] = [];
  const source = new EgressSource({
    session: "s",
    profile: { ...namedProfile("default"), ...more },
    rules: book(),
    ready: new ReadyRules({ workspace, home: root, environment: {} }),
    store: files,
    secrets,
    audit,
    world: fakeWorld(),
    log: (line) => void logged.push(line),
  });
  const proxy = new ToldEgress();
  proxy.goBy(async () => source.rules());
  return {
    root,
    workspace,
    book,
    audit,
    secrets,
    files,
    source,
    proxy,
    egress: source.around(proxy),
    logged,
  };
}

const granted = (proxy: SandboxProxyRule, id: string) =>
  ({ id, decision: "allow", tool: "egress", proxy }) as const;

suite("what a session's proxy goes by", () => {
  test("is the profile's rules, the user's and what was granted here, with the secrets that they name", async () => {
    const { book, files, source, secrets } = desk({ proxy: [wiki] });
    await files.set("wiki-token", "canary-0123456789");
    await files.set("other", "canary-9876543210");
    await book().add(granted(plain("own"), "own"), by);
    await book().grant([{ ...granted(plain("here"), "here"), session: "s" }], by, "s");
    await book().grant([{ ...granted(plain("there"), "there"), session: "t" }], by, "t");
    const rules = await source.rules();
    assert.deepEqual(
      rules.allowed.map(({ name }) => name),
      ["wiki", "own", "here"],
    );
    assert.deepEqual(rules.secrets, { "wiki-token": "canary-0123456789" });
    assert.match(secrets.persisted.text("a canary-0123456789 b"), /known secret/);
  });

  test("without a secret of the profile cannot begin; without one of another rule that rule alone is refused", async () => {
    const { book, files, source, egress, proxy } = desk({ proxy: [wiki] });
    await assert.rejects(egress.listen("/nowhere", "socket"), {
      code: "secret.missing",
      message: /The secret wiki-token is not set.*proxy rule wiki/,
    });
    await files.set("wiki-token", "canary-0123456789");
    const named = { ...plain("own"), headers: { "X-Key": "{{ own-key }}" } };
    await book().add(granted(named, "own"), by);
    await egress.listen("/nowhere", "socket");
    assert.deepEqual(Object.keys(proxy.told.at(-1)?.secrets ?? {}), ["wiki-token"]);
    // A secret that is taken back while the session runs is taken from the proxy, too.
    await files.remove("wiki-token");
    await source.renew([]);
    assert.deepEqual(proxy.told.at(-1)?.secrets, {});
    await egress.close();
  });

  test("is told anew when something changed and only then, and what was allowed once goes with it", async () => {
    const { book, source, egress, proxy } = desk();
    await egress.listen("/nowhere", "socket");
    await source.renew([]);
    await source.renew([]);
    await source.renew([plain("once")]);
    await source.renew([plain("once")]);
    await source.renew([]);
    await book().grant([granted(plain("later"), "later")], by, "s");
    await source.renew([]);
    await book().add({ id: "no", decision: "deny", tool: "egress", hosts: ["later.example"] }, by);
    await source.renew([]);
    await book().revokeAll(by);
    await source.renew([]);
    assert.deepEqual(proxy.names, ["", "", "once", "", "later", "later -no", ""]);
    await egress.close();
  });

  test("that another process takes back ends within seconds, though no command begins", async () => {
    const { book, source, egress, proxy } = desk();
    await book().grant([granted(plain("granted"), "g")], by, "s");
    await egress.listen("/nowhere", "socket");
    await source.renew([]);
    await book().revokeAll(by);
    const began = Date.now();
    while (proxy.names.at(-1) !== "" && Date.now() - began < 10_000) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(proxy.names.at(-1), "");
    await egress.close();
  });

  test("never holds a rule of the folder that allows, and keeps one that denies", async () => {
    const { workspace, source } = desk();
    const rules = [
      granted(plain("stranger"), "a"),
      { id: "no", decision: "deny", tool: "egress", hosts: ["once.example"] },
    ];
    writeFileSync(join(workspace, "cairn.rules.json"), JSON.stringify({ rules }));
    await source.renew([plain("once")]);
    const { allowed, denied } = await source.rules();
    assert.deepEqual(
      allowed.map(({ name }) => name),
      ["once"],
    );
    assert.deepEqual(
      denied.map(({ hosts }) => hosts),
      [["once.example"]],
    );
  });

  test("tells of a refused request which rule knows its host and which ready rule covers it, and the audit log what became of it", async () => {
    const { root, source, audit } = desk({
      proxy: [{ ...plain("known"), addresses: ["10.0.0.0/8"] }],
    });
    writeFileSync(join(root, ".npmrc"), "registry=https://packages.example/npm/\n");
    const request = { scheme: "https", port: 443, method: "GET" } as const;
    const known = await source.about({ ...request, host: "known.example", path: "/x" });
    assert.deepEqual(known.near?.addresses, ["10.0.0.0/8"]);
    assert.equal(known.ready, null);
    const ready = await source.about({
      ...request,
      host: "packages.example",
      path: "/npm/left-pad",
    });
    assert.equal(ready.ready?.from, "your npm configuration");
    const egress = { ...request, host: "h.example", path: "/p" };
    await source.decided(
      { session: "s", tool: "egress", risk: "R3", args: "a", paths: [], egress, place: anyPlace },
      "proxy.noRule, ask",
    );
    assert.deepEqual(
      audit.entries.map(({ kind, what, outcome }) => ({ kind, what, outcome })),
      [{ kind: "refused", what: "GET https://h.example/p", outcome: "proxy.noRule, ask" }],
    );
  });
});
