import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { whyNoBubblewrap } from "../sandbox/bubblewrapPlace.ts";
import { Cairn } from "./cairn.ts";

const sample = new URL("../../media/demo", import.meta.url).pathname;
const cairn = new Cairn();
after(() => cairn.remove());
const skip = (await whyNoBubblewrap()) ?? false;

test(
  "without an engine a session runs in bubblewrap, which is shown before anything runs in it",
  { skip },
  async () => {
    const workspace = join(cairn.place, "workspace");
    cpSync(sample, workspace, { recursive: true });
    const environment = { DOCKER_HOST: `unix://${join(cairn.place, "no.sock")}` };
    const where = ["--workspace", workspace];
    const before = readFileSync(join(workspace, "total.sh"), "utf8");

    let last = await cairn.run(["run", "--demo", ...where], { environment });
    assert.equal(last.code, 3, last.stderr);
    assert.match(last.stderr, /docker is not used: No container engine answers/);
    assert.match(
      last.stdout,
      /sandbox bubblewrap\n.*this machine's own programs, read-only.*\n[^]*turn\/1\/tool/u,
    );
    const untouched = (): void =>
      assert.equal(readFileSync(join(workspace, "total.sh"), "utf8"), before);
    last = await cairn.answerAll(last, workspace, {
      environment,
      before: untouched,
    });
    assert.equal(last.code, 0, last.stderr);
    assert.notEqual(readFileSync(join(workspace, "total.sh"), "utf8"), before);
  },
);
