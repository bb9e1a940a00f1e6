import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, test } from "node:test";
import { startEngine } from "../harness/engine.ts";
import { Cairn } from "./cairn.ts";

const cairn = new Cairn();
after(() => cairn.remove());
const engine = await startEngine();
const skip = "skipped" in engine ? engine.skipped : false;
after(async () => {
  if (!("skipped" in engine)) await engine.stop();
});

const check = ["sandbox", "check", "--workspace", cairn.folder()];

test("the check of a container prints what each wall held, and ends well", { skip }, async () => {
  assert.ok(!("skipped" in engine));
  const environment = { DOCKER_HOST: `unix://${engine.socketPath}` };
  const docker = [...check, "--sandbox", "docker", "--image", engine.image];
  const { code, stdout, stderr } = await cairn.run(docker, { environment });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^The docker sandbox, image cairn-sandbox:test\n/u);
  assert.match(stdout, /\n {2}held {4}trial\.memoryHog +killed, out of memory\n/u);
  assert.match(stdout, /\n\d+ held, 0 gaps, 0 broken\.\n$/u);
});

test(
  "a runtime that the engine does not have is refused with those that it has",
  { skip },
  async () => {
    assert.ok(!("skipped" in engine));
    const environment = { DOCKER_HOST: `unix://${engine.socketPath}` };
    const other = [...check, "--sandbox", "docker", "--image", engine.image, "--runtime", "other"];
    const { code, stderr } = await cairn.run(other, { environment });
    assert.equal(code, 1);
    assert.match(stderr, /no runtime "other"\. It has: .*runc.*\[sandbox\.unavailable\]/u);
  },
);

test("the check of the built-in shell says what it cannot give", async () => {
  const { code, stdout } = await cairn.run([...check, "--sandbox", "embedded", "--json"]);
  assert.equal(code, 0);
  const lines = stdout.trim().split("\n");
  assert.ok(lines.some((line) => line.includes('"control":"process.seccomp"')));
  assert.match(stdout, /"verdict":"gap"/u);
});

test("GPUs are a number or all, and the sandbox can only be checked", async () => {
  const wrong = await cairn.run([...check, "--gpus", "some"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /--gpus is a whole number above 0, or all\. \[usage\.invalid\]/u);
  const folder = cairn.folder();
  const other = await cairn.run(["sandbox", "shake", "--workspace", folder]);
  assert.equal(other.code, 2);
  assert.deepEqual(readdirSync(folder), []);
  assert.match(other.stderr, /There is no cairn sandbox shake\./u);
});
