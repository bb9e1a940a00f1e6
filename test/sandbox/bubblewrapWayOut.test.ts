import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CairnError } from "../../src/core/errors.ts";
import { run, text } from "../contracts/sandbox.ts";
import { root } from "../harness/root.ts";
import { type BubblewrapUnderTest, bubblewrapPlace, whyNoBubblewrap } from "./bubblewrapPlace.ts";
import { startUpstream, type Upstream } from "./upstream.ts";
import { EgressUnderTest, gitClone, proxiesOf, through, wayOutCases } from "./wayOutCases.ts";

const skipped = await whyNoBubblewrap();

suite("the way out of bubblewrap", { skip: skipped ?? false }, () => {
  let upstream: Upstream;
  let under: BubblewrapUnderTest;
  let egress: EgressUnderTest;
  const opened = async (): Promise<BubblewrapUnderTest> =>
    bubblewrapPlace(new EgressUnderTest([upstream.rule]));
  before(async () => {
    upstream = await startUpstream();
    egress = new EgressUnderTest([upstream.rule]);
    under = await bubblewrapPlace(egress);
  });
  after(async () => {
    await under?.close();
    await upstream?.close();
  });

  wayOutCases(() => ({ under, egress, upstream }));

  const tools: Readonly<Record<string, string>> = {
    "git clone": gitClone,
    "pip install":
      "python3 -m pip -q --disable-pip-version-check install --no-deps --index-url UPSTREAM/simple --target got greeting && python3 got/greeting.py",
    "npm install":
      "npm install --silent --no-audit --no-fund --registry UPSTREAM greeting && node -p 'require(\"greeting\")'",
  };
  const says = /^(A repository\.|hello from pip|hello from npm)$/mu;
  for (const [tool, command] of Object.entries(tools)) {
    test(`${tool} works as the first command`, async (context) => {
      const place = await opened();
      context.after(async () => place.close());
      const line = `${through} ${command.replaceAll("UPSTREAM", upstream.url)}`;
      const { stdout, stderr } = await run(place.sandbox, line, 30_000);
      assert.match(text(stdout) + text(stderr), says);
    });
  }

  test("the first command of a place is trusted and trusts, 20 of 20", async () => {
    const url = `${upstream.url}/snippets/durability`;
    const codes: string[] = [];
    for (let n = 0; n < 20; n += 2) {
      const two = [0, 1].map(async () => {
        const place = await opened();
        const got = await run(
          place.sandbox,
          `${through} curl -sS -o /dev/null -w '%{http_code}' ${url}`,
        );
        codes.push(text(got.stdout) + text(got.stderr));
        await place.close();
      });
      await Promise.all(two);
    }
    assert.deepEqual(
      codes,
      Array.from({ length: 20 }, () => "200"),
    );
  });

  test("the place proves that the way is there", async () => {
    const findings = await under.sandbox.check();
    const about = findings.filter(({ control }) => control.startsWith("proxy."));
    assert.deepEqual(
      about.map(({ control, verdict }) => [control, verdict]),
      [
        ["proxy.readOnly", "held"],
        ["proxy.bridge", "held"],
      ],
    );
  });

  test("a stop leaves no process, no socket and no directory of it", async () => {
    const place = await opened();
    await run(place.sandbox, `${through} curl -sS ${upstream.url}/snippets/durability`);
    assert.equal((await proxiesOf(place.state)).length, 1);
    await place.sandbox.stop();
    assert.deepEqual(await proxiesOf(place.state), []);
    assert.deepEqual((await readdir(place.state)).toSorted(), ["logs", "runtime", "workspace"]);
    await place.close();
  });

  test("a session that never uses it starts no proxy", async (context) => {
    const place = await opened();
    context.after(async () => place.close());
    await run(place.sandbox, "true");
    assert.deepEqual(await proxiesOf(place.state), []);
  });

  test("a path that is too long for a socket is no hindrance", async (context) => {
    const long = await mkdtemp(join(tmpdir(), `cairn-${"long-".repeat(30)}`));
    const own = new EgressUnderTest([]);
    context.after(async () => {
      await own.close();
      await rm(long, { recursive: true, force: true });
    });
    await own.listen(long, "socket");
    const handle = await open(long);
    context.after(async () => handle.close());
    const socket = connect(`/proc/self/fd/${handle.fd}/proxy.sock`);
    socket.end("GET http://elsewhere.example/ HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n");
    const [answer] = await once(socket, "data");
    assert.match(String(answer), /^HTTP\/1\.1 403 /u);
  });

  test("where nothing may leave there is no proxy to find", async (context) => {
    const place = await bubblewrapPlace();
    context.after(async () => place.close());
    const seen = await run(place.sandbox, "ls /agent; env | grep -ci proxy");
    assert.equal(text(seen.stdout), "logs\nruntime\nsecrets\n0\n");
  });

  test("a secret that is missing is named before anything is started", async (context) => {
    const named = new CairnError("secret.missing", "There is no secret wiki-token.");
    const broken = new EgressUnderTest([upstream.rule]);
    Object.defineProperty(broken.rules, "now", {
      get: () => {
        throw named;
      },
    });
    const place = await bubblewrapPlace(broken);
    context.after(async () => place.close());
    await assert.rejects(place.sandbox.start(), (error) => CairnError.is(error, "secret.missing"));
    assert.deepEqual((await readdir(place.state)).toSorted(), ["logs", "runtime", "workspace"]);
  });

  test("a host that is killed takes the proxy with it", async (context) => {
    const state = await mkdtemp(join(tmpdir(), "cairn-bubblewrap-"));
    context.after(async () => rm(state, { recursive: true, force: true }));
    const script = join(root, "test/sandbox/wayOutHost.ts");
    const host = spawn(process.execPath, [script, state], { stdio: ["ignore", "pipe", "inherit"] });
    await once(host.stdout, "data");
    assert.equal((await proxiesOf(state)).length, 1);
    host.kill("SIGKILL");
    for (let n = 0; n < 100 && (await proxiesOf(state)).length > 0; n += 1) await sleep(20);
    assert.deepEqual(await proxiesOf(state), []);
  });
});
