import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import * as z from "zod";
import { CairnError } from "../../src/core/errors.ts";
import { isGone } from "../../src/durable/owner.ts";
import { reap } from "../../src/sandbox/reaper.ts";
import { tarOf } from "../../src/sandbox/tarFile.ts";
import { run, text } from "../contracts/sandbox.ts";
import { mustRun } from "../harness/command.ts";
import type { TestEngine } from "../harness/engine.ts";
import { type DockerUnderTest, dockerPlace, testKeeper, testProxy } from "./dockerPlace.ts";
import { type EngineRelay, startRelay } from "./engineRelay.ts";
import {
  asDesktop,
  failingAt,
  nothingLeft,
  nothingWithEngine,
  requestsOfAStart,
} from "./engineSteps.ts";
import { startUpstream, type Upstream } from "./upstream.ts";
import { EgressUnderTest, gitClone, wayOutCases } from "./wayOutCases.ts";

const { key } = testKeeper;

/** The way out through a network of two, of an engine that says of itself what Docker Desktop says. */
export function twoLegs(own: TestEngine): void {
  suite("the way out of a container whose engine reaches no socket of this machine", () => {
    const docker = new Docker({ socketPath: own.socketPath });
    const outside = `cairn-outside-${process.pid}`;
    const proxy = { ...testProxy, outside };
    let relay: EngineRelay;
    let upstream: Upstream;
    let under: DockerUnderTest;
    let egress: EgressUnderTest;
    const opened = async (more: Partial<Parameters<typeof dockerPlace>[0]> = {}) =>
      dockerPlace({
        ...own,
        socketPath: relay.socketPath,
        proxy,
        egress: new EgressUnderTest([upstream.rule]),
        ...more,
      });
    const output = async (place: DockerUnderTest, command: string): Promise<string> => {
      const { stdout, stderr } = await run(place.sandbox, command);
      return text(stdout) + text(stderr);
    };
    /** What the engine has of a session's two. */
    const found = async ({ session }: Pick<DockerUnderTest, "session">) => {
      const worker = await docker.getContainer(`cairn-${session}`).inspect();
      const proxies = await docker.getContainer(`cairn-${session}-proxy`).inspect();
      const network = `cairn-${session}`;
      const at = (each: Docker.ContainerInspectInfo): string =>
        Object.values(each.NetworkSettings.Networks).find(({ NetworkID }) => NetworkID === id)
          ?.IPAddress ?? "";
      const { Id: id } = await docker.getNetwork(network).inspect();
      return { id, worker: at(worker), proxy: at(proxies), pid: proxies.State.Pid };
    };

    before(async () => {
      await makeProxyImage(own);
      // Not one of those that engines choose: another one on this machine may have chosen it.
      const part = `10.213.${process.pid % 256}`;
      const gateway = `${part}.1`;
      const IPAM = { Config: [{ Subnet: `${part}.0/24`, Gateway: gateway }] };
      await docker.createNetwork({ Name: outside, IPAM });
      relay = await startRelay(own.socketPath, { toClient: asDesktop });
      upstream = await startUpstream(gateway, gateway);
      egress = new EgressUnderTest([upstream.rule]);
      under = await opened({ egress });
      await under.sandbox.start();
    });
    after(async () => {
      await under?.close();
      await upstream?.close();
      await relay?.close();
      // An engine leaves its bridges where it ends.
      await docker.getNetwork(outside).remove();
    });

    wayOutCases(() => ({
      under,
      egress,
      upstream,
      proxies: async () => [(await found(under)).pid],
    }));

    test("no address of this machine and no other network of the engine is reached, and a name is answered at once", async () => {
      const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
      const addresses = all.filter(({ family, internal }) => family === "IPv4" && !internal);
      const port = new URL(upstream.url).port;
      const dials = addresses.map(({ address }) => `(: <>/dev/tcp/${address}/${port}) & `).join("");
      const said = await output(under, `${dials} wait`);
      assert.equal(said.match(/connect: No route to host/gu)?.length, addresses.length, said);
      const asked = await run(
        under.sandbox,
        "getent hosts example.org || python3 -c 'import socket; socket.getaddrinfo(\"example.org\", 80)'",
      );
      assert.match(text(asked.stderr), /gaierror/u);
      assert.ok(asked.durationMs < 2_000, `${asked.durationMs} ms`);
    });

    test("missing or wrong proxy identity: 407", async (context) => {
      const { id, proxy: address } = await found(under);
      const stranger = await docker.createContainer({
        Image: own.image,
        Cmd: ["sleep", "60"],
        HostConfig: { NetworkMode: id, AutoRemove: true },
      });
      context.after(async () => stranger.remove({ force: true }));
      await stranger.start();
      const url = `${upstream.url}/snippets/durability`;
      const curl = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_connect}", "-x"];
      const command = [...curl, `http://${address}:3128`, url];
      const exec = await stranger.exec({ Cmd: command, AttachStdout: true, Tty: true });
      const stream = await exec.start({ Tty: true });
      let said = "";
      for await (const chunk of stream) said += String(chunk);
      assert.match(said, /407/u);
      assert.match(egress.lines.join("\n"), /proxy\.identity/u);
    });

    // Each has places of its own, and waits as much as it works.
    suite("in places of their own", { concurrency: 3 }, () => {
      const lies: Readonly<Record<string, readonly [change: object, found: RegExp]>> = {
        "one that its host is on": [{ Options: {} }, /network\.gateway .*found: somebody is/u],
        "one that leads out": [{ Internal: false }, /network\.own .*found: not internal/u],
        "one with version 6": [
          { EnableIPv6: true, IPAM: { Config: [{ Subnet: "fd00:7::/64" }] } },
          /network\.own .*found: with version 6/u,
        ],
      };
      for (const [sentence, [change, said]] of Object.entries(lies)) {
        test(`an engine that makes another network is found out: ${sentence}`, async (context) => {
          const lying = await startRelay(own.socketPath, {
            toClient: asDesktop,
            toEngine: (request, body) => {
              if (!request.startsWith("POST /networks/create")) return body;
              return JSON.stringify({ ...z.looseObject({}).parse(JSON.parse(body)), ...change });
            },
          });
          const place = await opened({ socketPath: lying.socketPath });
          context.after(async () => {
            await place.close();
            await lying.close();
          });
          await assert.rejects(place.sandbox.start(), { code: "sandbox.policy", message: said });
          await nothingLeft(own, place);
        });
      }

      test("the place proves it, and two sessions do not see each other", async (context) => {
        const [one, two] = await Promise.all([opened(), opened()]);
        context.after(async () => Promise.all([one.close(), two.close()]).then(() => undefined));
        await run(two.sandbox, "python3 -m http.server 8000 >/dev/null 2>&1 & sleep 0.5");
        await one.sandbox.start();
        const other = await found(two);
        const dials = [`${other.worker}/8000`, `${other.proxy}/3128`].map(
          (dial) => `(: <>/dev/tcp/${dial}) &`,
        );
        const dialled = await output(one, `${dials.join(" ")} wait`);
        assert.equal(dialled.match(/connect: No route to host/gu)?.length, 2, dialled);
        const findings = await one.sandbox.check();
        assert.deepEqual(
          findings.filter(({ verdict }) => verdict !== "held"),
          [],
        );
        const is = Object.fromEntries(findings.map(({ control, found: seen }) => [control, seen]));
        assert.match(is["network.routes"] ?? "", /^its own network [\d.]+\/\d+$/u);
        assert.match(is["network.gateway"] ?? "", /^nobody at /u);
        assert.equal(is["proxy.answers"], "the proxy answers on the session's network");
        assert.match(is["proxy.engine.asked"] ?? "", /fields as asked$/u);
        assert.match(is["trial.network"] ?? "", /^\d+ addresses unreachable$/u);
      });

      test("git clone works as the first command, and a stop leaves nothing", async () => {
        const place = await opened();
        const line = gitClone.replace("UPSTREAM", upstream.url);
        assert.match(await output(place, line), /^A repository\.$/mu);
        await place.sandbox.stop();
        await nothingLeft(own, place);
        await place.close();
      });

      test("a host that is killed takes its proxy with it, and the next start sweeps the rest", async (context) => {
        const state = await mkdtemp(join(tmpdir(), "cairn-two-legs-"));
        context.after(async () => rm(state, { recursive: true, force: true }));
        const session = "killed-with-proxy";
        const program = join(import.meta.dirname, "holdsContainer.ts");
        const args = [program, relay.socketPath, own.image, state, session, outside];
        const host = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
        await once(host.stdout, "data");
        const { pid } = await found({ session });
        const lines: string[] = [];
        const sweep = async (): Promise<number> =>
          reap({ marks: join(state, "marks"), key, isGone, log: (line) => lines.push(line) });
        assert.equal(await sweep(), 0, "its process lives");
        host.kill("SIGKILL");
        await once(host, "exit");
        for (let n = 0; n < 200 && existsSync(`/proc/${pid}`); n += 1) await sleep(20);
        assert.equal(existsSync(`/proc/${pid}`), false);
        assert.ok((await sweep()) >= 2);
        assert.match(
          lines.join("\n"),
          /^removed network \w+, which a process that ended had left$/mu,
        );
        await nothingWithEngine(own, { session });
      });

      test("whatever fails while it is started, nothing of it is left", async () => {
        const parts = { ...own, proxy };
        const seen = await requestsOfAStart(
          { ...parts, egress: new EgressUnderTest([]) },
          { toClient: asDesktop },
        );
        // What is asked after that is the same as without a network.
        const steps = [...new Set(seen)].filter((step) => !/exec|stats|_ping/u.test(step));
        assert.ok(steps.some((step) => step.startsWith("POST /networks/ID/connect")));
        assert.ok(steps.some((step) => step.startsWith("GET /containers/ID/archive")));
        const tries = steps.map(async (step) => {
          const place = await failingAt(parts, step, { toClient: asDesktop });
          await assert.rejects(place.sandbox.start(), CairnError, step);
          await nothingLeft(own, place);
          await place.close();
        });
        await Promise.all(tries);
      });

      test("without the image of proxies a session starts without a way out and says so, and one whose profile needs it is refused", async (context) => {
        const missing = { ...proxy, name: "cairn-proxy-none" };
        const place = await opened({ proxy: missing });
        context.after(async () => place.close());
        assert.equal(
          await output(place, "ls /agent; env | grep -ci proxy"),
          "logs\nruntime\nsecrets\n0\n",
        );
        const build =
          /^The image cairn-proxy-none is not on this engine, .* Build it with: docker build -t cairn-proxy-none -f '.*docker\/proxy\.Dockerfile' '.*dist'$/mu;
        assert.match(place.lines.join("\n"), build);
        const needed = await opened({ proxy: { ...missing, isNeeded: true }, egress: null });
        await assert.rejects(needed.sandbox.probe(), {
          code: "sandbox.imageMissing",
          message: build,
        });
        await needed.close();
      });

      test("an image with another program is refused, and named", async (context) => {
        const place = await opened({ proxy: { ...proxy, program: import.meta.filename } });
        context.after(async () => place.close());
        await assert.rejects(place.sandbox.start(), {
          code: "sandbox.imageMissing",
          message: /is not the one of this Cairn\. Build it again/u,
        });
        await nothingLeft(own, place);
      });

      test("a secret that is missing is named before anything is made", async (context) => {
        const broken = new EgressUnderTest([upstream.rule]);
        Object.defineProperty(broken.rules, "now", {
          get: () => {
            throw new CairnError("secret.missing", "There is no secret wiki-token.");
          },
        });
        const place = await opened({ egress: broken });
        context.after(async () => place.close());
        await assert.rejects(place.sandbox.start(), { code: "secret.missing" });
        await nothingLeft(own, place);
      });
    });
  });
}

/** As the README says, on a base of the node that these tests run on. */
async function makeProxyImage(own: TestEngine): Promise<void> {
  const docker = new Docker({ socketPath: own.socketPath });
  const base = await docker.createContainer({ Image: own.image });
  const node = { path: "usr/local/bin/node", mode: 0o755 };
  const file = await readFile(process.execPath);
  await base.putArchive(tarOf([{ ...node, body: { file } }]), { path: "/" });
  await base.commit({ repo: "cairn-node", tag: "test" });
  await base.remove();
  const { name, recipe, program } = testProxy;
  const args = ["build", "-q", "-t", name, "--build-arg", "BASE=cairn-node:test", "-f", recipe];
  const env = { ...process.env, DOCKER_HOST: `unix://${own.socketPath}`, DOCKER_BUILDKIT: "0" };
  await mustRun("docker", [...args, dirname(program)], { env });
}
