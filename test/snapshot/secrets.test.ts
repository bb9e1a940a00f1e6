import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Secrets } from "../../src/redaction/secrets.ts";
import { random } from "../redaction/secretSamples.ts";
import { Place } from "./place.ts";

const secret = `q${random(23)}`;

function knowing(): Secrets {
  const secrets = new Secrets();
  secrets.register(secret);
  return secrets;
}

function here(secrets: Secrets) {
  return {
    areIn: (bytes: Uint8Array) => secrets.areIn(bytes),
    text: (text: string) => secrets.persisted.text(text),
  };
}

suite("a copy of the user's folder has no secrets", () => {
  const named = {
    ".env": "A=1",
    ".env.local": "A=1",
    "api/.env.production": "A=1",
    ".netrc": "machine x",
    ".git-credentials": "x",
    "keys/id_rsa": "x",
    "keys/id_ed25519": "x",
    ".pgpass": "x",
  };
  const harmless = {
    ".env.example": "A=",
    ".env.local.sample": "A=",
    ".env.template": "A=",
    ".envrc": "use x",
    "keys/id_rsa.pub": "x",
    "environment.ts": "x",
  };

  test("files that may hold some by their name are left out, and the reason says how to copy them", async (t) => {
    const place = new Place(t, { ...named, ...harmless });
    const survey = await place.trees.survey();
    const { tree, leftOut } = await place.trees.seed();
    assert.deepEqual(leftOut.map(({ path }) => path).toSorted(), Object.keys(named).toSorted());
    assert.deepEqual(survey.leftOut.toSorted(byPath), leftOut.toSorted(byPath));
    for (const { reason } of leftOut) assert.match(reason, /cairn\.workspace\.include.*--include/);
    assert.deepEqual(await place.trees.list(tree), Object.keys(harmless).toSorted());
  });

  test("what is included by name is copied, and what is excluded as well is not", async (t) => {
    const place = new Place(t, named);
    const include = [".env*", "/keys/id_rsa", "!.env.local"];
    const trees = place.openWith({ include, exclude: ["api/"] });
    const { tree } = await trees.seed();
    assert.deepEqual(await trees.list(tree), [".env", "keys/id_rsa"]);
  });

  test("a line of the folder's own .cairnignore includes nothing", async (t) => {
    const place = new Place(t, { ".env": "A=1", ".cairnignore": "!.env" });
    const { tree } = await place.trees.seed();
    assert.deepEqual(await place.trees.list(tree), [".cairnignore"]);
  });

  test("a file or a name with a registered value is left out, wherever it lies in the file", async (t) => {
    const place = new Place(t, {
      "config.ts": `export const key = "${secret}";`,
      "binary.dat": Buffer.concat([Uint8Array.of(0, 255), Buffer.from(secret), Uint8Array.of(1)]),
      [`${secret}.txt`]: "x",
      "kept.ts": "x",
    });
    const trees = place.openWith({ secrets: here(knowing()) });
    const { tree, leftOut } = await trees.seed();
    assert.deepEqual(await trees.list(tree), ["kept.ts"]);
    assert.deepEqual(leftOut.map(({ path }) => path).toSorted(), [
      "[redacted: known secret].txt",
      "binary.dat",
      "config.ts",
    ]);
    for (const blob of place.blobs.stored.values()) assert.ok(!Buffer.from(blob).includes(secret));
  });
});

suite("a checkpoint has no secrets", () => {
  test("a file with a registered value is left out at each one, and what the agent calls .env is kept", async (t) => {
    const place = new Place(t, {});
    const trees = place.openWith({ secrets: here(knowing()) });
    await trees.seed();
    place.agent(".env", "PORT=3000");
    place.agent("leak.txt", `it is ${secret}`);
    for (let time = 0; time < 2; time += 1) {
      const { tree, leftOut } = await trees.capture();
      assert.deepEqual(await trees.list(tree), [".env"]);
      assert.deepEqual(leftOut, [
        { path: "leak.txt", reason: "it holds a secret that Cairn knows" },
      ]);
    }
    place.agent("leak.txt", "it is gone");
    assert.deepEqual(await trees.list(await place.capture(trees)), [".env", "leak.txt"]);
  });

  test("a diff shows none, and what was approved without it is applied with it", async (t) => {
    const place = new Place(t, { "a.txt": "one\n" });
    const trees = place.openWith({ secrets: here(knowing()) });
    const base = await trees.seed();
    const token = `ghp_${random(36)}`;
    place.agent("a.txt", `one\n${token}\n`);
    const tree = await place.capture(trees);
    const changes = await trees.plan(base.tree, tree);
    assert.match(changes[0]?.diff ?? "", /\+\[redacted: github token\]/);
    assert.deepEqual(await trees.diff(base.tree, tree), changes);
    await trees.apply(base.tree, tree, changes);
    assert.equal(place.userText("a.txt"), `one\n${token}\n`);
  });
});

function byPath(one: { readonly path: string }, two: { readonly path: string }): number {
  return one.path < two.path ? -1 : 1;
}
