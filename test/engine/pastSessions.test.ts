import assert from "node:assert/strict";
import { test } from "node:test";
import { pastOf } from "../../src/pastSessions.ts";
import { startRecord } from "../contracts/records.ts";
import { MemoryDriver } from "../fakes/memoryDriver.ts";

test("what somebody else's session was answered is no evidence for what you would answer", async () => {
  const driver = new MemoryDriver();
  await driver.create("mine", startRecord("mine"));
  await driver.import("theirs", [startRecord("theirs")], []);
  await driver.create("now", startRecord("now"));
  const past = await pastOf(driver, "now");
  assert.deepEqual(
    past.map(([first]) => first?.session),
    ["mine"],
  );
});
