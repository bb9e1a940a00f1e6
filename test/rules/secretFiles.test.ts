import assert from "node:assert/strict";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, suite, test } from "node:test";
import { SecretFiles } from "../../src/rules/secretFiles.ts";

let root = "";
const roots: string[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cairn-secrets-"));
  roots.push(root);
});
after(() => {
  for (const each of roots) rmSync(each, { recursive: true, force: true });
});
const file = (name: string): string => join(root, "secrets", `${name}.secret`);

suite("secrets of a terminal", () => {
  test("are kept by name in files of the user's alone, listed without values, and removed", async () => {
    const secrets = new SecretFiles(root);
    assert.deepEqual(await secrets.names(), []);
    assert.equal(await secrets.read("wiki-token"), null);
    await secrets.set("wiki-token", "canary-0123\n");
    await secrets.set("a.b_c", "canary 4567");
    assert.deepEqual(await secrets.names(), ["a.b_c", "wiki-token"]);
    assert.equal(await secrets.read("wiki-token"), "canary-0123");
    assert.equal(statSync(file("wiki-token")).mode & 0o777, 0o600);
    assert.equal(statSync(join(root, "secrets")).mode & 0o777, 0o700);
    assert.equal(await secrets.remove("wiki-token"), true);
    assert.equal(await secrets.remove("wiki-token"), false);
    assert.deepEqual(readdirSync(join(root, "secrets")), ["a.b_c.secret"]);
  });

  test("that others can read, or that are links, are refused with what to do", async () => {
    const secrets = new SecretFiles(root);
    await secrets.set("token", "canary-0123");
    chmodSync(file("token"), 0o640);
    await assert.rejects(secrets.read("token"), {
      code: "secret.invalid",
      message: /can be read by others.*cairn secrets set token/,
    });
    await secrets.set("token", "canary-0123");
    chmodSync(join(root, "secrets"), 0o755);
    await assert.rejects(secrets.read("token"), { code: "secret.invalid" });
    chmodSync(join(root, "secrets"), 0o700);
    assert.equal(await secrets.read("token"), "canary-0123");
    writeFileSync(join(root, "other"), "canary-0123", { mode: 0o600 });
    symlinkSync(join(root, "other"), file("linked"));
    await assert.rejects(secrets.read("linked"), { code: "secret.invalid", message: /is a link/ });
  });

  test("have names that lead nowhere else, and values that can be a header", async () => {
    const secrets = new SecretFiles(root);
    for (const name of ["", "../x", "A", "a/b", ".hidden", "a b", "x".repeat(65)]) {
      await assert.rejects(secrets.read(name), { code: "secret.invalid" }, name);
    }
    for (const value of ["", "abcde", "two\nlines-of-it", "tab\tvalue", "käse-käse"]) {
      await assert.rejects(secrets.set("token", value), (error: Error) => {
        assert.match(error.message, /The secret token was not kept/);
        assert.ok(value === "" || !error.message.includes(value));
        return true;
      });
    }
    assert.deepEqual(await secrets.names(), []);
  });
});
