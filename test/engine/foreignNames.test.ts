import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Engine } from "../../src/engine.ts";
import { startRecord } from "../contracts/records.ts";
import { MemoryDriver } from "../fakes/memoryDriver.ts";

const place = mkdtempSync(join(tmpdir(), "cairn-names-"));
after(() => rmSync(place, { recursive: true }));

for (const name of ["..", "../../outside", "/outside", "A", "a/../../b", "x".repeat(65), ""]) {
  test(`a session that a foreign store names ${JSON.stringify(name.slice(0, 20))} has no files here, and makes none`, async () => {
    const driver = new MemoryDriver();
    await driver.create(name, startRecord());
    const root = join(place, "home", "state");
    const engine = new Engine({
      workspace: place,
      dist: new URL("../../dist/", import.meta.url),
      shippedSkills: place,
      version: "0",
      image: "i",
      dockerSocket: null,
      environment: { CAIRN_HOME: root },
      apiKey: async () => null,
      log: () => {},
      onRecord: () => {},
      driver,
    });
    await assert.rejects(engine.runtimeLog(name), { code: "session.unknown" });
    await engine.close();
    for (const path of [join(root, "outside"), join(place, "outside"), join(root, "worker")]) {
      assert.equal(existsSync(path), false, path);
    }
  });
}
