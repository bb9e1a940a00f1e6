import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, before, suite, test } from "node:test";
import Docker from "dockerode";
import { CairnError } from "../../src/core/errors.ts";
import { run, text } from "../contracts/sandbox.ts";
import { startEngine, startPodman, type TestEngine } from "../harness/engine.ts";
import { type DockerUnderTest, dockerPlace } from "./dockerPlace.ts";
import { startRelay } from "./engineRelay.ts";
import { startUpstream, type Upstream } from "./upstream.ts";
import { EgressUnderTest, gitClone, proxiesOf, through, wayOutCases } from "./wayOutCases.ts";

const engine = await startEngine();
if ("skipped" in engine) test("the way out of a container", { skip: engine.skipped });
else {
  after(async () => engine.stop());
  wayOutOf(engine);
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

    test("an engine in a machine of its own gives a sandbox without a way out, and it is said", async (context) => {
      const relay = await startRelay(own.socketPath, { toClient: asDesktop });
      const without = { egress: new EgressUnderTest([]), socketPath: relay.socketPath };
      const place = await dockerPlace({ ...own, ...without });
      context.after(async () => {
        await place.close();
        await relay.close();
      });
      const seen = await run(place.sandbox, "ls /agent; env | grep -ci proxy");
      assert.equal(text(seen.stdout), "logs\nruntime\nsecrets\n0\n");
      assert.match(place.lines.join("\n"), /^Nothing can leave this sandbox: its engine/mu);
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
}

/** Lets the engine say of itself what Docker Desktop says. */
function asDesktop(bytes: Buffer, request: string): Buffer {
  if (!kindOf(request).endsWith("/version")) return bytes;
  const [head = "", body = ""] = bytes.toString("latin1").split("\r\n\r\n");
  const other = body.replace(
    /"Platform":\{"Name":"[^"]*"\}/u,
    '"Platform":{"Name":"Docker Desktop 4.40.0"}',
  );
  const sized = head.replace(/content-length: \d+/iu, `Content-Length: ${other.length}`);
  return Buffer.from(`${sized}\r\n\r\n${other}`, "latin1");
}

/** Requests to the engine, without what differs from start to start. */
function kindOf(request: string): string {
  return request.replace(/\?.*/u, "").replaceAll(/[0-9a-f]{64}/gu, "ID");
}

async function requestsOfAStart(own: TestEngine): Promise<readonly string[]> {
  const seen: string[] = [];
  const toEngine = (request: string, body: string): string => {
    seen.push(kindOf(request));
    return body;
  };
  const relay = await startRelay(own.socketPath, { toEngine });
  const place = await dockerPlace({ ...own, socketPath: relay.socketPath });
  await place.sandbox.start();
  const steps = seen.slice();
  await place.close();
  await relay.close();
  return steps;
}

/** A place whose engine answers one kind of request with an error, and does not do what needs a body. */
async function failingAt(own: TestEngine, step: string): Promise<DockerUnderTest> {
  const relay = await startRelay(own.socketPath, {
    toEngine: (request, body) => (kindOf(request) === step && body !== "" ? "{" : body),
    toClient: (bytes, request) =>
      kindOf(request) === step
        ? Buffer.from(
            bytes.toString("latin1").replace(/^HTTP\/1\.1 [1-3]\d\d/u, "HTTP/1.1 500"),
            "latin1",
          )
        : bytes,
  });
  const egress = new EgressUnderTest([]);
  const place = await dockerPlace({ ...own, socketPath: relay.socketPath, egress });
  const close = async (): Promise<void> => {
    await place.close();
    await relay.close();
  };
  return { ...place, close };
}

async function nothingLeft(own: TestEngine, { state, session }: DockerUnderTest): Promise<void> {
  const label = [`cairn.session=${session}`];
  const docker = new Docker(own);
  assert.deepEqual(await docker.listContainers({ all: true, filters: { label } }), []);
  assert.deepEqual(await docker.listNetworks({ filters: { label } }), []);
  assert.deepEqual(await proxiesOf(state), []);
  const left = (await readdir(state)).filter((name) => /^(?:proxy|pipes)-/u.test(name));
  assert.deepEqual(left, []);
}
