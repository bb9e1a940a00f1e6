import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import Docker from "dockerode";
import * as z from "zod";
import { CairnError } from "../../src/core/errors.ts";
import type { Finding } from "../../src/core/ports.ts";
import { run, text } from "../contracts/sandbox.ts";
import { startEngine, type TestEngine } from "../harness/engine.ts";
import { dockerPlace } from "./dockerPlace.ts";
import { startRelay } from "./engineRelay.ts";
import { EgressUnderTest } from "./wayOutCases.ts";

const engine = await startEngine();
if ("skipped" in engine) {
  test("the self-check of a container", { skip: engine.skipped });
} else {
  after(async () => engine.stop());
  realContainer(engine);
  lyingEngine(engine);
}

function realContainer(own: TestEngine): void {
  suite("a container proves each control of its policy", () => {
    test("every one is held, shown from inside, and the sandbox goes on working", async (context) => {
      const place = await dockerPlace({ ...own, egress: new EgressUnderTest([]) });
      context.after(async () => place.close());
      const findings = await place.sandbox.check();
      assert.deepEqual(
        findings.filter(({ verdict }) => verdict !== "held"),
        [],
      );
      const found = Object.fromEntries(findings.map(({ control, found: is }) => [control, is]));
      assert.equal(found["process.capabilities"], "none");
      assert.equal(found["root.readOnly"], "read-only");
      assert.equal(found["network.routes"], "no route");
      assert.equal(found["proxy.there"], "its socket and its authorities");
      assert.equal(found["proxy.bridge"], "it listens");
      assert.equal(found["trial.memoryHog"], "killed, out of memory");
      assert.match(found["trial.forkBomb"] ?? "", /^2\d\d processes$/u);
      assert.match(found["trial.systemCalls"] ?? "", /^refused: io_uring_setup unshare mount /u);
      assert.equal(text((await run(place.sandbox, "echo on")).stdout), "on\n");
      assert.equal(
        text((await run(place.sandbox, "ls -A /workspace /agent /tmp")).stdout).includes("cairn"),
        false,
      );
    });

    test("what an image brings as a volume is refused, and named", async (context) => {
      const docker = new Docker(own);
      const image = "cairn-volume:test";
      const { id } = await docker.createContainer({ Image: own.image });
      await docker
        .getContainer(id)
        .commit({ repo: "cairn-volume", tag: "test", changes: "VOLUME /data" });
      await docker.getContainer(id).remove();
      const place = await dockerPlace({ ...own, image });
      context.after(async () => place.close());
      const error = await refusal(place.sandbox.start());
      assert.match(error.message, /mounts\.declared \(wanted: .*; found: also \/data\)/u);
      assert.deepEqual((await docker.listVolumes()).Volumes, []);
      await docker.getImage(image).remove();
    });
  });
}

/** An engine that takes what it is asked and makes something else. */
function lyingEngine(own: TestEngine): void {
  const cases: Readonly<Record<string, readonly [change: object, control: string]>> = {
    "a root that can be written": [{ ReadonlyRootfs: false }, "root.readOnly"],
    "no rules for privileges and system calls": [{ SecurityOpt: [] }, "process.noNewPrivileges"],
    "all its capabilities": [{ CapDrop: [], CapAdd: ["ALL"] }, "process.capabilities"],
    "no limit of processes": [{ PidsLimit: 0 }, "processes.limit"],
    "more memory": [{ Memory: 2 ** 30, MemorySwap: 2 ** 30 }, "memory.limit"],
    "a processor more": [{ NanoCpus: 2e9 }, "cpu.limit"],
    "the host's network": [{ NetworkMode: "host" }, "network.interfaces"],
    "the host's processes": [{ PidMode: "host" }, "engine.PidMode"],
    "a directory of the host": [{ Binds: ["/usr:/h"] }, "mounts.declared"],
    "the engine's own socket": [{ Binds: [`${own.socketPath}:/run/docker.sock`] }, "engine.socket"],
    "every device": [{ Privileged: true }, "engine.Privileged"],
    "a bigger /tmp": [
      { Tmpfs: { "/tmp": "rw,exec,mode=1777", "/run/cairn": "rw,size=1m,mode=1777" } },
      "tmp.size",
    ],
    "room for core files": [{ Ulimits: [] }, "core.size"],
  };
  suite("an engine that does not do what it was asked to is found out", { concurrency: 2 }, () => {
    for (const [sentence, [change, control]] of Object.entries(cases)) {
      test(`it gives the container ${sentence}`, async (context) => {
        const { sandbox, session } = await liedTo(own, context, change);
        const error = await refusal(sandbox.start());
        assert.match(error.message, new RegExp(`\\b${control.replace(".", "\\.")} \\(wanted`, "u"));
        assert.deepEqual(await containersOf(own, session), []);
      });
    }

    test("it runs commands as root", async (context) => {
      const { sandbox } = await liedTo(own, context, {}, { User: "0:0" });
      const error = await refusal(sandbox.start());
      assert.match(error.message, /process\.user \(wanted: user 1000, group 1000; found: user 0/u);
    });

    test("it gives the container variables of its own", async (context) => {
      const { sandbox } = await liedTo(own, context, {}, { Env: ["AWS_SECRET_ACCESS_KEY=x"] });
      const error = await refusal(sandbox.start());
      assert.match(error.message, /environment \(.*AWS_SECRET_ACCESS_KEY/u);
      assert.doesNotMatch(error.message, /=x/u);
    });

    test("the check shows all of it, and leaves nothing that runs", async (context) => {
      const { sandbox, session } = await liedTo(own, context, {
        ReadonlyRootfs: false,
        SecurityOpt: [],
      });
      const broken = (await sandbox.check()).filter(({ verdict }) => verdict === "broken");
      const controls = broken.map(({ control }: Finding) => control);
      for (const wanted of [
        "root.readOnly",
        "process.noNewPrivileges",
        "engine.ReadonlyRootfs",
        "engine.SecurityOpt",
      ])
        assert.ok(controls.includes(wanted), `${wanted} of ${controls.join(" ")}`);
      assert.deepEqual(await containersOf(own, session), []);
    });
  });
}

async function liedTo(
  own: TestEngine,
  context: { after(work: () => Promise<void>): void },
  hostConfig: object,
  config: object = {},
) {
  const creation = z.looseObject({ HostConfig: z.looseObject({}) });
  const relay = await startRelay(own.socketPath, {
    toEngine: (request, body) => {
      if (!request.startsWith("POST /containers/create")) return body;
      const asked = creation.parse(JSON.parse(body));
      return JSON.stringify({
        ...asked,
        ...config,
        HostConfig: { ...asked.HostConfig, ...hostConfig },
      });
    },
  });
  const place = await dockerPlace({ ...own, socketPath: relay.socketPath });
  context.after(async () => {
    await place.close();
    await relay.close();
  });
  return place;
}

async function refusal(start: Promise<unknown>): Promise<CairnError> {
  try {
    await start;
  } catch (error) {
    assert.ok(CairnError.is(error, "sandbox.policy"), String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "The container was not refused." });
}

async function containersOf(own: TestEngine, session: string): Promise<readonly unknown[]> {
  const label = [`cairn.session=${session}`];
  return new Docker(own).listContainers({ all: true, filters: { label } });
}
