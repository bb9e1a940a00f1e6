import assert from "node:assert/strict";
import { test } from "node:test";
import { extensions } from "vscode";

/** Its duration is the figure: nothing but the activation happens in it. */
test("activates", async () => {
  const extension = extensions.getExtension("cairn.cairn");
  assert.ok(extension);
  assert.equal(extension.isActive, false, "it is measured from before its activation");
  await extension.activate();
});
