import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import { run, text } from "../contracts/sandbox.ts";
import { startEngine, startPodman, type TestEngine } from "../harness/engine.ts";
import { type DockerUnderTest, dockerPlace, testProxy } from "./dockerPlace.ts";
import { startRelay } from "./engineRelay.ts";
import { asDesktop, failingAt, nothingLeft, requestsOfAStart } from "./engineSteps.ts";
import { twoLegs } from "./twoLegCases.ts";
import { startUpstream, type Upstream } from "./upstream.ts";
import { EgressUnderTest, gitClone, proxiesOf, through, wayOutCases } from "./wayOutCases.ts";

const engine = await startEngine();
if ("skipped" in engine) test("the way out of a container", { skip: engine.skipped });
else {
  after(async () => engine.stop());
  wayOutOf(engine);
  twoLegs(engine);
}
const podman = await startPodman();
if ("skipped" in podman) test("the way out of Podman's container", { skip: podman.skipped });
else {
  after(async () => podman.stop());
  wayOutOfPodman(podman);
}

function wayOutOf(own: TestEngine): void {
  suite("the way out of a container", () => {
    let upstream: Upstream;
    let under: DockerUnderTest;
    let egress: EgressUnderTest;
    const opened = async (): Promise<DockerUnderTest> =>
      dockerPlace({ ...own, egress: new EgressUnderTest([upstream.rule]) });
    before(async () => {
      upstream = await startUpstream();
      egress = new EgressUnderTest([upstream.rule]);
      under = await dockerPlace({ ...own, egress });
    });
    after(async () => {
      await under?.close();
      await upstream?.close();
    });

    wayOutCases(() => ({ under, egress, upstream }));

    test("git clone works as the first command, and a stop leaves nothing", async () => {
      const place = await opened();
      const line = `${through} ${gitClone.replace("UPSTREAM", upstream.url)}`;
      assert.match(text((await run(place.sandbox, line)).stdout), /^A repository\.$/mu);
      assert.equal((await proxiesOf(place.state)).length, 1);
      await place.sandbox.stop();
      await nothingLeft(own, place);
      await place.close();
    });

    test("whatever fails while a container is started, nothing of it is left", async () => {
      const steps = await requestsOfAStart(own);
      assert.ok(steps.length > 8);
      const tries = [...new Set(steps)].map(async (step) => {
        const place = await failingAt(own, step);
        await assert.rejects(place.sandbox.start(), CairnError, step);
        await nothingLeft(own, place);
        await place.close();
      });
      await Promise.all(tries);
    });

    test("where no mark can be left, no container is made and no proxy stays", async (context) => {
      const place = await dockerPlace({
        ...own,
        egress: new EgressUnderTest([]),
        marks: "/dev/null",
      });
      context.after(async () => place.close());
      await assert.rejects(place.sandbox.start());
      await nothingLeft(own, place);
    });

    test("a secret that is missing is named before a container is made", async (context) => {
      const broken = new EgressUnderTest([upstream.rule]);
      Object.defineProperty(broken.rules, "now", {
        get: () => {
          throw new CairnError("secret.missing", "There is no secret wiki-token.");
        },
      });
      const place = await dockerPlace({ ...own, egress: broken });
      context.after(async () => place.close());
      await assert.rejects(place.sandbox.start(), (error) =>
        CairnError.is(error, "secret.missing"),
      );
      await nothingLeft(own, place);
    });
  });
}

function wayOutOfPodman(own: TestEngine): void {
  test("Podman's container has the same way out", async (context) => {
    const upstream = await startUpstream();
    const place = await dockerPlace({ ...own, egress: new EgressUnderTest([upstream.rule]) });
    context.after(async () => {
      await place.close();
      await upstream.close();
    });
    const line = `${through} ${gitClone.replace("UPSTREAM", upstream.url)}`;
    assert.match(text((await run(place.sandbox, line)).stdout), /^A repository\.$/mu);
  });

  test("Podman in a machine of its own has no way out, and says so", async (context) => {
    const relay = await startRelay(own.socketPath, { toClient: asDesktop });
    const there = { ...own, socketPath: relay.socketPath, egress: new EgressUnderTest([]) };
    const place = await dockerPlace(there);
    context.after(async () => {
      await place.close();
      await relay.close();
    });
    const seen = await run(place.sandbox, "ls /agent; env | grep -ci proxy");
    assert.equal(text(seen.stdout), "logs\nruntime\nsecrets\n0\n");
    assert.match(place.lines.join("\n"), /^Nothing can leave this sandbox: Podman runs/mu);
    const needed = await dockerPlace({ ...there, proxy: { ...testProxy, isNeeded: true } });
    await assert.rejects(needed.sandbox.start(), { code: "proxy.unavailable" });
    await needed.close();
  });
}
