import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import type { Action } from "../../src/core/action.ts";
import type { EgressRequest } from "../../src/core/egress.ts";
import { covers } from "../../src/core/egressFit.ts";
import { proxyRules } from "../../src/core/egressRules.ts";
import { decide } from "../../src/core/policy.ts";
import { namedProfile } from "../../src/core/profile.ts";
import { sandboxProxyRule, type SandboxProxyRule } from "../../src/core/proxyRule.ts";
import type { JsonValue } from "../../src/core/records.ts";
import type { Profile, Verdict } from "../../src/core/profileRecord.ts";
import {
  rule,
  ruleSentence,
  type Rule,
  type RuleSet,
  type ScopedRule,
} from "../../src/core/rule.ts";
import { anyPlace } from "../contracts/records.ts";

const usual = namedProfile("default");
const folder = "/home/dev/project";

const wiki: SandboxProxyRule = {
  name: "wiki",
  hosts: ["wiki.example"],
  methods: ["GET", "HEAD"],
  paths: ["/snippets/"],
  headers: { Authorization: "Bearer {{ wiki-token }}" },
};

function request(more: Partial<EgressRequest> = {}): EgressRequest {
  return {
    scheme: "https",
    host: "wiki.example",
    port: 443,
    method: "GET",
    path: "/snippets/one",
    ...more,
  };
}

function action(egress: EgressRequest): Action {
  return {
    session: "s",
    tool: "egress",
    risk: "R3",
    args: "a",
    paths: [],
    egress,
    place: anyPlace,
  };
}

const scoped = (decision: Verdict, more: Partial<Rule>, scope: ScopedRule["scope"] = "user") => ({
  rule: { id: "r", decision, tool: "egress", ...more },
  scope,
});

function verdict(
  egress: EgressRequest,
  rules: readonly ScopedRule[] = [],
  profile: Profile = usual,
): Verdict {
  return decide(action(egress), profile, { rules, doubt: null }, folder).verdict;
}

/** What a proxy does with rules: those that deny first. */
function passes(
  egress: EgressRequest,
  set: RuleSet,
  profile: Profile = usual,
  once: readonly SandboxProxyRule[] = [],
): boolean {
  const { allowed, denied } = proxyRules({ profile, session: "s", folder }, set, once);
  if (denied.some((one) => covers(one, egress))) return false;
  return allowed.some((one) => covers(one, egress));
}

suite("rules for what leaves the sandbox", () => {
  test("a request is asked about until a rule covers all of it: scheme, host, port, method and path", () => {
    const rules = [scoped("allow", { proxy: wiki })];
    assert.equal(verdict(request()), "ask");
    assert.equal(verdict(request(), rules), "allow");
    for (const other of [
      request({ scheme: "http", port: 80 }),
      request({ host: "wiki.example.evil.example" }),
      request({ host: "sub.wiki.example" }),
      request({ port: 8443 }),
      request({ method: "POST" }),
      request({ path: "/snippets" }),
      request({ path: "/other" }),
      request({ method: null, path: null }),
    ]) {
      assert.equal(verdict(other, rules), "ask", JSON.stringify(other));
    }
  });

  test("a profile's own proxy rules allow, and a denied host of the machine goes before them", () => {
    const profile = { ...usual, proxy: [wiki] };
    assert.equal(verdict(request(), [], profile), "allow");
    const managed = scoped("deny", { hosts: ["*.example", "wiki.example"] }, "managed");
    assert.equal(verdict(request(), [managed], profile), "deny");
    assert.equal(passes(request(), { rules: [managed], doubt: null }, profile), false);
  });

  test("a folder allows nothing, and no rule opens what a profile denies by default", () => {
    const rules = [scoped("allow", { proxy: wiki }, "workspace")];
    assert.equal(verdict(request(), rules), "ask");
    assert.equal(passes(request(), { rules, doubt: null }), false);
    const granted = [scoped("allow", { proxy: wiki })];
    assert.equal(verdict(request(), granted, namedProfile("offline")), "deny");
    assert.equal(
      passes(request(), { rules: granted, doubt: null }, namedProfile("offline")),
      false,
    );
  });

  test("a profile that denies what leaves, and names something, lets out that alone and asks about nothing", () => {
    const sealed = { ...namedProfile("offline"), proxy: [wiki] };
    assert.equal(verdict(request(), [], sealed), "allow");
    assert.equal(passes(request(), { rules: [], doubt: null }, sealed), true);
    assert.equal(verdict(request({ method: "POST" }), [], sealed), "deny");
    const asks = [scoped("ask", { hosts: ["wiki.example"] })];
    assert.equal(verdict(request(), asks, sealed), "deny");
    assert.equal(passes(request(), { rules: asks, doubt: null }, sealed), false);
  });

  test("a default that allows what leaves the machine still asks for a rule that says what", () => {
    const open = {
      ...usual,
      defaults: { R0: "allow", R1: "allow", R2: "allow", R3: "allow", R4: "allow" },
    } as const;
    assert.equal(verdict(request(), [], open), "ask");
    const tools = { id: "all", decision: "allow", tool: "*" } as const;
    assert.equal(verdict(request(), [{ rule: tools, scope: "user" }], open), "ask");
  });

  test("while rules cannot be read nothing goes out that the operator did not just allow", () => {
    const set = { rules: [scoped("allow", { proxy: wiki })], doubt: "The rules cannot be read." };
    assert.equal(decide(action(request()), usual, set, folder).verdict, "ask");
    assert.equal(passes(request(), set), false);
    assert.equal(passes(request(), set, usual, [wiki]), true);
  });

  test("what a rule asks about goes out for one command after a yes, and nothing else of it does", () => {
    const wide: SandboxProxyRule = {
      name: "wide",
      hosts: ["wiki.example"],
      methods: ["GET"],
      paths: ["/"],
    };
    const set = {
      rules: [
        scoped("allow", { proxy: wide }),
        scoped("ask", { proxy: { ...wiki, name: "asked" } }),
      ],
      doubt: null,
    };
    const yes: SandboxProxyRule = { ...wide, name: "once", paths: ["/snippets/one"] };
    assert.equal(passes(request(), set), false);
    assert.equal(passes(request({ path: "/other" }), set), true);
    assert.equal(passes(request(), set, usual, [yes]), true);
    assert.equal(passes(request({ path: "/snippets/two" }), set, usual, [yes]), false);
    const denied = {
      rules: [...set.rules, scoped("deny", { hosts: ["wiki.example"] })],
      doubt: null,
    };
    assert.equal(passes(request(), denied, usual, [yes]), false);
  });

  test("the order of rules never matters, and a proxy lets through exactly what is allowed", () => {
    const hosts = fc.constantFrom("a.example", "b.a.example", "*.a.example", "b.example");
    const paths = fc.constantFrom("/", "/x", "/x/", "/x/y");
    const methods = fc.constantFrom("GET", "POST");
    const proxy = fc.record({
      name: fc.constant("p"),
      hosts: fc.uniqueArray(hosts, { minLength: 1, maxLength: 2 }),
      scheme: fc.constantFrom("https" as const, "http" as const),
      methods: fc.uniqueArray(methods, { minLength: 1 }),
      paths: fc.uniqueArray(paths, { minLength: 1, maxLength: 2 }),
    });
    const decision = fc.constantFrom<Verdict>("allow", "ask", "deny");
    const scope = fc.constantFrom<ScopedRule["scope"]>("managed", "user", "workspace", "session");
    const some = fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.record({ decision, proxy, scope }) },
        {
          weight: 1,
          arbitrary: fc.record({ decision, hosts: fc.array(hosts, { minLength: 1 }), scope }),
        },
        {
          weight: 1,
          arbitrary: fc.record({ decision, scope, tool: fc.constantFrom("*", "exec") }),
        },
      ),
      { maxLength: 6 },
    );
    const asked = fc.record({
      scheme: fc.constantFrom("https" as const, "http" as const),
      host: fc.constantFrom("a.example", "b.a.example", "b.example", "c.example"),
      method: methods,
      path: fc.constantFrom("/", "/x", "/x/y", "/x/y/z"),
    });
    let allowed = 0;
    fc.assert(
      fc.property(some, asked, (rules, what) => {
        const set = rules.map(({ scope: of, decision: verdictOf, ...more }) => ({
          rule: { id: "r", decision: verdictOf, tool: "egress", ...more },
          scope: of,
        }));
        const egress = { ...what, port: what.scheme === "https" ? 443 : 80 };
        const said = verdict(egress, set);
        assert.equal(verdict(egress, set.toReversed()), said);
        assert.equal(passes(egress, { rules: set, doubt: null }), said === "allow");
        if (said === "allow") allowed += 1;
      }),
      { numRuns: 3000 },
    );
    assert.ok(allowed > 30, `only ${allowed} were allowed`);
  });

  test("a rule is read as one sentence, with headers and secrets by name", () => {
    const said = (more: Partial<Rule>, decision: Verdict = "allow") =>
      ruleSentence({ id: "r", decision, tool: "egress", ...more });
    assert.equal(
      said({
        proxy: { name: "npm", hosts: ["registry.example"], methods: ["GET", "HEAD"], paths: ["/"] },
      }),
      "Allows GET and HEAD of https://registry.example/ and what is below it, with no header added.",
    );
    assert.equal(
      said({ proxy: wiki, session: "s" }),
      "Allows GET and HEAD of https://wiki.example/snippets/ and what is below it, with the header Authorization from the secret wiki-token added in this session.",
    );
    assert.equal(
      said({
        proxy: {
          name: "p",
          hosts: ["a.example"],
          ports: [8080],
          scheme: "http",
          methods: ["POST"],
          paths: ["/x"],
        },
      }),
      "Allows POST of http://a.example:8080/x, with no header added.",
    );
    assert.equal(
      said({ hosts: ["evil.example", "*.evil.example"] }, "deny"),
      "Denies every request to evil.example and *.evil.example.",
    );
    assert.equal(said({}, "ask"), "Asks before every request that leaves the sandbox.");
    const service = { name: "lookup_wiki", args: { page: ["one", "two"] } };
    assert.equal(
      ruleSentence({ id: "r", decision: "allow", tool: "exec_service", service }),
      'Allows calls of the service lookup_wiki with page "one" or "two".',
    );
  });

  test("a rule of a service is about its calls, and about those of its arguments", () => {
    const profile = { ...usual, tools: ["exec_service"], allowedServices: { wiki: {}, post: {} } };
    const said = (service: string, args: JsonValue, of: NonNullable<Rule["service"]>): Verdict => {
      const { egress: _, ...call } = action(request());
      const what: Action = { ...call, tool: "exec_service", service: { service, args } };
      const one: Rule = { id: "r", decision: "allow", tool: "exec_service", service: of };
      const rules = [{ rule: one, scope: "user" as const }];
      return decide(what, profile, { rules, doubt: null }, folder).verdict;
    };
    assert.equal(said("wiki", { page: "a" }, { name: "wiki" }), "allow");
    assert.equal(said("post", { page: "a" }, { name: "wiki" }), "ask");
    assert.equal(
      said("wiki", { page: "a" }, { name: "wiki", args: { page: ["a", "b"] } }),
      "allow",
    );
    assert.equal(said("wiki", { page: "c" }, { name: "wiki", args: { page: ["a", "b"] } }), "ask");
    assert.equal(said("wiki", {}, { name: "wiki", args: { page: ["a"] } }), "ask");
    // What the profile does not have no rule allows.
    assert.equal(said("mail", {}, { name: "mail" }), "deny");
  });

  test("a rule opens private, loopback and shared networks and no others, and sets no header that the proxy sets", () => {
    const fits = (more: object): boolean =>
      sandboxProxyRule.safeParse({
        name: "one",
        hosts: ["a.example"],
        methods: ["GET"],
        paths: ["/"],
        ...more,
      }).success;
    const opened = ["10.1.0.0/16", "127.0.0.1", "172.31.0.0/16", "192.168.0.0/16", "100.64.0.0/10"];
    for (const network of [...opened, "::1", "fd12:3456::/48"]) {
      assert.ok(fits({ addresses: [network] }), network);
    }
    const closed = [
      "0.0.0.0/0",
      "10.0.0.0/7",
      "169.254.169.254",
      "8.8.8.8",
      "172.32.0.1",
      "10.1.1",
    ];
    for (const network of [...closed, "256.0.0.1", "::/0", "fe80::1", "2001:db8::1", "::2"]) {
      assert.ok(!fits({ addresses: [network] }), network);
    }
    assert.ok(fits({ headers: { Authorization: "Bearer {{ token }}" } }));
    for (const name of ["Host", "content-length", "Proxy-Authorization", "X-Forwarded-For"]) {
      assert.ok(!fits({ headers: { [name]: "x" } }), name);
    }
  });

  test("a rule that does not say what it allows, or is about two things, is no rule", () => {
    const problem = (more: object) =>
      rule
        .safeParse({ id: "r", decision: "allow", tool: "egress", ...more })
        .error?.issues[0]?.path.join(".");
    assert.equal(problem({ proxy: wiki }), undefined);
    assert.equal(problem({}), "proxy");
    assert.equal(problem({ hosts: ["a.example"] }), "proxy");
    assert.equal(problem({ decision: "deny", hosts: ["a.example"] }), undefined);
    assert.equal(problem({ decision: "deny", hosts: ["a.example"], proxy: wiki }), "");
    assert.equal(problem({ tool: "exec", proxy: wiki }), "tool");
    assert.equal(problem({ tool: "exec", service: { name: "x" } }), "tool");
    assert.equal(problem({ decision: "deny", hosts: ["A.example"] }), "hosts.0");
  });
});
