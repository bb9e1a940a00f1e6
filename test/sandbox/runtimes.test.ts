import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import Docker from "dockerode";
import * as z from "zod";
import { CairnError } from "../../src/core/errors.ts";
import { sandboxInfo } from "../../src/core/sandboxInfo.ts";
import { engineRuntimes } from "../../src/sandbox/dockerInfo.ts";
import { startEngine, type TestEngine } from "../harness/engine.ts";
import { dockerPlace } from "./dockerPlace.ts";

const engine = await startEngine();
if ("skipped" in engine) {
  test("runtimes and GPUs", { skip: engine.skipped });
} else {
  after(async () => engine.stop());
  const { Runtimes: runtimes } = z
    .object({ Runtimes: z.record(z.string(), z.unknown()) })
    .parse(await new Docker(engine).info());
  choices(engine);
  gvisor(engine, "runsc" in runtimes ? false : "the engine has no runsc");
}

function choices(own: TestEngine): void {
  suite("a runtime and GPUs are chosen, never guessed", () => {
    test("a runtime that the engine does not list is refused with the list, before anything starts", async () => {
      const place = await dockerPlace({ ...own, runtime: "other" });
      await assert.rejects(place.sandbox.probe(), (error: unknown) => {
        assert.ok(CairnError.is(error, "sandbox.unavailable"));
        assert.match(error.message, /no runtime "other"\. It has: (?:.*, )?runc\b.*\. Choose one/u);
        return true;
      });
      await place.close();
    });

    test("what the engine has is offered", async () => {
      const offered = await engineRuntimes(own.socketPath);
      assert.ok(offered.includes("runc"), offered.join());
      assert.deepEqual(offered, offered.toSorted());
    });

    test("what was chosen is on record, and makes another digest", async () => {
      const plain = await dockerPlace(own);
      const chosen = await dockerPlace({ ...own, runtime: "runc", gpus: 2 });
      const first = await plain.sandbox.probe();
      const second = await chosen.sandbox.probe();
      assert.deepEqual(sandboxInfo.parse(second), second);
      assert.deepEqual([second.runtime, second.gpus], ["runc", 2]);
      assert.deepEqual(["runtime" in first, "gpus" in first], [false, false]);
      assert.notEqual(first.digest, second.digest);
      await plain.close();
      await chosen.close();
    });

    test("a container by the engine's usual runtime, named, keeps its policy", async (context) => {
      const place = await dockerPlace({ ...own, runtime: "runc" });
      context.after(async () => place.close());
      await place.sandbox.start();
    });

    test("GPUs that the engine cannot give are refused by name", async (context) => {
      const place = await dockerPlace({ ...own, gpus: "all" });
      context.after(async () => place.close());
      await assert.rejects(place.sandbox.start(), (error: unknown) => {
        assert.ok(CairnError.is(error, "sandbox.unavailable"));
        assert.match(error.message, /cannot give a container the GPUs \(.*cairn\.sandbox\.gpus/u);
        return true;
      });
      assert.deepEqual(await left(own, place.session), []);
    });
  });
}

function gvisor(own: TestEngine, skip: string | false): void {
  suite("a container under Debian's gVisor, which is too old to keep the policy", { skip }, () => {
    test("is started, found out and refused instead of limping", async (context) => {
      const place = await dockerPlace({ ...own, runtime: "runsc" });
      context.after(async () => place.close());
      await assert.rejects(place.sandbox.start(), (error: unknown) => {
        assert.ok(CairnError.is(error), String(error));
        assert.equal(error.code, "sandbox.policy", error.message);
        assert.match(error.message, /process\.noNewPrivileges \(wanted: set; found: not set\)/u);
        return true;
      });
      assert.deepEqual(await left(own, place.session), []);
    });

    test("shows in its check what fails, and what only its own kernel decides", async (context) => {
      const place = await dockerPlace({ ...own, runtime: "runsc" });
      context.after(async () => place.close());
      const findings = await place.sandbox.check();
      const verdict = Object.fromEntries(findings.map((each) => [each.control, each.verdict]));
      assert.deepEqual(
        ["root.readOnly", "process.seccomp", "process.noNewPrivileges"].map(
          (name) => verdict[name],
        ),
        ["held", "gap", "broken"],
      );
      assert.deepEqual(await left(own, place.session), []);
    });
  });
}

async function left(own: TestEngine, session: string): Promise<readonly unknown[]> {
  const label = [`cairn.session=${session}`];
  return new Docker(own).listContainers({ all: true, filters: { label } });
}
