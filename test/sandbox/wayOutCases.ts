import assert from "node:assert/strict";
import { readFile, readdir, readlink } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { EgressRules } from "../../src/core/egress.ts";
import { requestWords } from "../../src/core/egressWords.ts";
import { SessionEgress } from "../../src/proxy/sessionEgress.ts";
import { run, type SandboxUnderTest, text } from "../contracts/sandbox.ts";
import { root } from "../harness/root.ts";
import type { Upstream } from "./upstream.ts";

/** In no file, variable or process inside, and in no log. */
export const secret = ["canary", "5d8a61c0f3"].join("-");

/** The real proxy behind one session, with rules that can be changed. */
export class EgressUnderTest extends SessionEgress {
  readonly lines: string[];
  /** What went out, in order. */
  readonly recorded: string[];
  readonly rules: { now: EgressRules };

  constructor(allowed: EgressRules["allowed"]) {
    const lines: string[] = [];
    const recorded: string[] = [];
    const rules = { now: { allowed, denied: [], secrets: { "wiki-token": secret } } };
    super({
      program: join(root, "dist/proxy.js"),
      rules: async () => rules.now,
      record: async (request) => void recorded.push(requestWords(request)),
      closed: [],
      log: (line) => lines.push(line),
    });
    this.lines = lines;
    this.recorded = recorded;
    this.rules = rules;
  }
}

/** The upstream is on the loopback, which is not the sandbox's own. */
export const through = "export no_proxy= NO_PROXY=;";

/** What I5-01 names; each says nothing but `out` when it got anywhere. */
const probes: Readonly<Record<string, string>> = {
  "curl past the proxy": "curl -sS -m 3 --noproxy '*' -o /dev/null UPSTREAM/ && echo out",
  "a socket of bash": "exec 3<>/dev/tcp/192.0.2.1/80 && echo out",
  "a bare address": "curl -sS -m 3 --noproxy '*' http://1.1.1.1/ && echo out",
  "version 6": "curl -sS -m 3 --noproxy '*' -g 'http://[2606:4700:4700::1111]/' && echo out",
  "a question to a name server":
    'echo x >/dev/udp/8.8.8.8/53 && echo out; python3 -c \'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("8.8.8.8", 53))\' && echo out',
  "a name server behind HTTPS": "curl -sS -m 3 --noproxy '*' https://1.1.1.1/dns-query && echo out",
  "an echo request":
    'python3 -c \'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).sendto(b"\\x08\\0\\xf7\\xff\\0\\0\\0\\0", ("8.8.8.8", 0))\' && echo out',
  "the address of metadata": "curl -sS -m 3 --noproxy '*' http://169.254.169.254/ && echo out",
  "the machine by its name inside":
    "curl -sS -m 3 --noproxy '*' http://host.docker.internal/ && echo out",
  "the engine's port": "curl -sS -m 3 --noproxy '*' http://127.0.0.1:2375/version && echo out",
  "an address of the machine": "curl -sS -m 3 --noproxy '*' http://HOST/ && echo out",
};

export const gitClone = "git clone -q UPSTREAM/repo.git got && cat got/README";

/** An address of this machine that is no loopback. */
export function hostAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "192.0.2.1";
}

interface Place {
  readonly under: SandboxUnderTest;
  readonly egress: EgressUnderTest;
  readonly upstream: Upstream;
  /** Process ids of its proxies; those that this machine started, unless told otherwise. */
  readonly proxies?: () => Promise<readonly number[]>;
}

/** What holds of every place with a way out. */
export function wayOutCases(place: () => Place): void {
  const output = async (command: string): Promise<string> => {
    const { stdout, stderr } = await run(place().under.sandbox, command);
    return text(stdout) + text(stderr);
  };

  test("without a token a command gets what the rule's header opens; direct is unreachable", async () => {
    const { upstream, egress } = place();
    const url = `${upstream.url}/snippets/durability`;
    const got = await output(`${through} curl -sS -w '%{http_code}' ${url}`);
    assert.equal(got, "A step is recorded before the next one begins.\n200");
    assert.equal(upstream.asked.at(-1)?.headers.includes("authorization"), true);
    const asked = upstream.asked.length;
    assert.match(await output(`curl -sS -m 5 --noproxy '*' ${url}`), /^curl: \(7\)/u);
    assert.equal(upstream.asked.length, asked);
    const [said = "", rest = ""] = egress.lines.at(-1)?.split(" → ") ?? [];
    assert.equal(said, `proxy: GET ${url}`);
    assert.match(rest, /^200, rule upstream, set Authorization, \d+ bytes out, \d+ in, \d+ ms$/u);
  });

  test("environment, arguments, files and processes inside hold no token", async () => {
    const seen = await output(
      "env; set; cat /proc/*/environ /proc/*/cmdline; ls -la /proc/*/fd; cat /proc/*/mountinfo; cat /agent/proxy/*.pem; ps auxe",
    );
    assert.doesNotMatch(seen, new RegExp(secret, "u"));
    assert.doesNotMatch(place().egress.lines.join("\n"), new RegExp(secret, "u"));
  });

  test("no way but the proxy leads out, and the proxy sees nothing of those that were tried", async () => {
    const { upstream, egress } = place();
    const before = egress.lines.length;
    // All at once: some wait until nobody answers.
    const commands = Object.entries(probes).map(([what, probe]) => {
      const command = probe.replace("UPSTREAM", upstream.url).replace("HOST", hostAddress());
      return `(${command}) 2>&1 | sed 's/^out$/${what}: out/' &`;
    });
    assert.doesNotMatch(await output(`${commands.join("\n")}\nwait`), /: out$/mu);
    assert.deepEqual(egress.lines.slice(before), []);
  });

  test("what no rule knows is refused at once, and can be taken after the command", async () => {
    const { egress } = place();
    egress.takeRefused();
    const asks = "curl -sS -o /dev/null -w '%{http_code} ' http://elsewhere.example/a?key=value;";
    assert.equal(await output(`${asks} ${asks}`), "403 403 ");
    const [refused, ...others] = egress.takeRefused();
    assert.deepEqual(others, []);
    assert.deepEqual(refused?.request, {
      scheme: "http",
      host: "elsewhere.example",
      port: 80,
      method: "GET",
      path: "/a",
    });
    assert.equal(refused?.refused, "proxy.noRule");
    assert.deepEqual(egress.takeRefused(), []);
    assert.doesNotMatch(egress.lines.join("\n"), /key=value/u);
  });

  test("a rule that was granted holds for the same command again", async () => {
    const { egress, upstream } = place();
    const before = egress.rules.now;
    const get = `${through} curl -sS -o /dev/null -w '%{http_code}' ${upstream.url}/snippets/durability`;
    egress.rules.now = { ...before, allowed: [] };
    await egress.renew();
    assert.match(await output(get), /CONNECT tunnel failed, response 403|403$/u);
    egress.rules.now = before;
    await egress.renew();
    assert.equal(await output(get), "200");
  });

  test("a command that ends the bridge, or everything, leaves the next one its way", async () => {
    const { upstream, under } = place();
    const get = `${through} curl -sS -o /dev/null -w '%{http_code}' ${upstream.url}/snippets/durability`;
    await output("pkill -KILL -f 'proxy.sock'; sleep 0.1");
    assert.equal(await output(get), "200");
    await run(under.sandbox, "kill -KILL -1", 10_000);
    assert.equal(await output(get), "200");
  });

  test("a proxy that is killed is started again for the next request, and trusted as before", async () => {
    const { egress, under, upstream, proxies = async () => proxiesOf(under.state) } = place();
    const [pid] = await proxies();
    process.kill(pid ?? 0, "SIGKILL");
    for (
      let n = 0;
      n < 100 && !egress.lines.some((line) => line.startsWith("proxy: ended"));
      n += 1
    )
      await sleep(20);
    const get = `${through} curl -sS -o /dev/null -w '%{http_code}' ${upstream.url}/snippets/durability`;
    assert.equal(await output(get), "200");
    assert.equal((await proxies()).length, 1);
  });

  test("nobody inside can change what leads to the proxy, or whom it trusts", async () => {
    const tries =
      "cd /agent/proxy; for way in 'touch x' 'rm -f authorities.pem' 'ln -sf /tmp/x proxy.sock' 'cp /etc/passwd authorities.pem' 'chmod 777 .'; do $way 2>/dev/null && echo $way; done; cd";
    assert.equal(await output(tries), "");
  });
}

/** Process ids of proxies that were started for a sandbox with this directory. */
export async function proxiesOf(state: string): Promise<readonly number[]> {
  const processes = (await readdir("/proc")).filter((name) => /^\d+$/u.test(name));
  const found = await Promise.all(
    processes.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      if (!line.endsWith("/proxy.js\0")) return [];
      const directory = await readlink(`/proc/${pid}/cwd`).catch(() => "");
      return directory.startsWith(`${state}/`) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}
