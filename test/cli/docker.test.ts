import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import Docker from "dockerode";
import { startEngine } from "../harness/engine.ts";
import { startRelay } from "../sandbox/engineRelay.ts";
import { asDesktop } from "../sandbox/engineSteps.ts";
import { Cairn } from "./cairn.ts";

const sample = new URL("../../media/demo", import.meta.url).pathname;
const cairn = new Cairn();
after(() => cairn.remove());
const engine = await startEngine();
const skip = "skipped" in engine ? engine.skipped : false;
after(async () => {
  if (!("skipped" in engine)) await engine.stop();
});

test(
  "the demo session in a real container: the folder is untouched until the approval, and no container is left",
  { skip },
  async () => {
    assert.ok(!("skipped" in engine));
    const workspace = join(cairn.place, "workspace");
    cpSync(sample, workspace, { recursive: true });
    const environment = { DOCKER_HOST: `unix://${engine.socketPath}` };
    const where = ["--workspace", workspace, "--image", engine.image];
    const before = readFileSync(join(workspace, "total.sh"), "utf8");

    let last = await cairn.run(["run", "--demo", "--sandbox", "docker", ...where], { environment });
    assert.equal(last.code, 3, last.stderr);
    assert.match(last.stderr, /started \(container .*, image cairn-sandbox:test, workspace .*\)/);
    assert.match(last.stderr, /\$ bash test\.sh[\s\S]*→ exit 1, \d+ chars, cwd \/workspace/);
    const untouched = (): void =>
      assert.equal(readFileSync(join(workspace, "total.sh"), "utf8"), before);
    last = await cairn.answerAll(last, workspace, {
      environment,
      args: ["--image", engine.image],
      before: untouched,
    });
    assert.equal(last.code, 0, last.stderr);
    assert.notEqual(readFileSync(join(workspace, "total.sh"), "utf8"), before);

    const [first] = await cairn.records(
      workspace,
      (await cairn.sessions(workspace))[0]?.session ?? "",
    );
    assert.ok(first?.kind === "session.started");
    assert.match(first.spec.sandbox.digest, /^sha256:[0-9a-f]{64}$/);
    const docker = new Docker({ socketPath: engine.socketPath });
    assert.deepEqual(
      await docker.listContainers({ all: true, filters: { label: ["cairn=1"] } }),
      [],
    );
  },
);

test("a missing image: it says how to build it, before any model call", { skip }, async () => {
  assert.ok(!("skipped" in engine));
  const workspace = join(cairn.place, "no-image");
  cpSync(sample, workspace, { recursive: true });
  const run = [
    "run",
    "--demo",
    "--sandbox",
    "docker",
    "--image",
    "no-such-image",
    "--workspace",
    workspace,
  ];
  const finished = await cairn.run(run, {
    environment: { DOCKER_HOST: `unix://${engine.socketPath}` },
  });
  assert.equal(finished.code, 1);
  assert.match(finished.stderr, /no-such-image.*docker build.*\[sandbox\.imageMissing\]/s);
  assert.deepEqual(await cairn.sessions(workspace), []);
});

test(
  "a profile with proxy rules where the engine reaches no socket: it says how to build the image of proxies, before any model call",
  { skip },
  async (context) => {
    assert.ok(!("skipped" in engine));
    const relay = await startRelay(engine.socketPath, { toClient: asDesktop });
    context.after(async () => relay.close());
    const workspace = join(cairn.place, "no-proxy-image");
    cpSync(sample, workspace, { recursive: true });
    const rule = { name: "wiki", hosts: ["wiki.example"], methods: ["GET"], paths: ["/"] };
    const profile = cairn.json("wiki.json", { name: "wiki", proxy: [rule] });
    const where = ["--sandbox", "docker", "--image", engine.image, "--workspace", workspace];
    const finished = await cairn.run(["run", "--demo", "--profile", profile, ...where], {
      environment: { DOCKER_HOST: `unix://${relay.socketPath}` },
    });
    assert.equal(finished.code, 1, finished.stderr);
    assert.match(
      finished.stderr,
      /docker build -t cairn-proxy -f '.*proxy\.Dockerfile' '.*dist'.*\[sandbox\.imageMissing\]/s,
    );
    assert.deepEqual(await cairn.sessions(workspace), []);
  },
);
