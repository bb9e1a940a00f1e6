import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";

const cairn = new Cairn();
after(() => cairn.remove());
const canary = "canary-0123456789-of-the-wiki";

const wiki = {
  name: "wiki",
  hosts: ["wiki.example"],
  methods: ["GET"],
  paths: ["/snippets/"],
  headers: { Authorization: "Bearer {{ wiki-token }}" },
};

/** Files of Cairn's own directory that hold a text, but for the secret itself. */
function filesWith(text: string, folder = cairn.home): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".secret"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));
}

suite("secrets in the terminal", () => {
  test("a missing secret is an error that names it, before any container starts and before anything is recorded", async () => {
    const profile = cairn.json("needs.json", { name: "wiki", proxy: [wiki] });
    const desk = await Desk.open(cairn, [{ text: "Done." }]);
    const refused = await desk.start(["--profile", profile, "--goal", "Go.", "--sandbox", "auto"]);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /The secret wiki-token is not set, and the proxy rule wiki of the profile wiki needs it\. Set it: cairn secrets set wiki-token, .* \[secret\.missing\]/,
    );
    assert.equal(desk.calls, 0);
    assert.deepEqual(await cairn.sessions(desk.workspace), []);

    const set = await cairn.run(["secrets", "set", "wiki-token"], { stdin: `${canary}\n` });
    assert.equal(set.code, 0, set.stderr);
    const ran = await desk.start(["--profile", profile, "--goal", "Go."]);
    assert.equal(ran.code, 0, ran.stderr);
  });

  test("a secret is set from standard input, listed by name and removed, and no output, log or audit has its value", async () => {
    const set = await cairn.run(["secrets", "set", "forge.token"], { stdin: canary });
    assert.equal(set.code, 0, set.stderr);
    const file = join(cairn.home, "secrets", "forge.token.secret");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(readFileSync(file, "utf8"), canary);
    const listed = await cairn.run(["secrets"]);
    assert.match(listed.stdout, /^forge\.token$/m);
    assert.deepEqual(
      JSON.parse((await cairn.run(["secrets", "list", "--json"])).stdout).names.includes(
        "forge.token",
      ),
      true,
    );
    const removed = await cairn.run(["secrets", "remove", "forge.token"]);
    assert.equal(removed.code, 0);
    assert.equal((await cairn.run(["secrets", "remove", "forge.token"])).code, 1);
    const audit = await cairn.run(["audit"]);
    assert.match(
      audit.stdout,
      /the secret forge\.token is set[\s\S]*the secret forge\.token is removed/,
    );
    for (const { stdout, stderr } of [set, listed, removed, audit]) {
      assert.doesNotMatch(stdout + stderr, /canary/);
    }
    assert.deepEqual(filesWith("canary"), []);
  });

  test("a wrong name or value is one sentence without the value, and nothing is kept", async () => {
    for (const [args, stdin, says] of [
      [["secrets", "set", "Wiki Token"], canary, /cannot be the name of a secret/],
      [["secrets", "set", "two-lines"], `${canary}\nmore`, /not one line of printable ASCII/],
      [["secrets", "show", "none"], "", /There is no cairn secrets show\. Use: cairn secrets/],
    ] as const) {
      const refused = await cairn.run(args, { stdin });
      assert.equal(refused.code, 2, args.join(" "));
      assert.match(refused.stderr, says);
      assert.doesNotMatch(refused.stdout + refused.stderr, /canary/);
    }
    assert.doesNotMatch((await cairn.run(["secrets"])).stdout, /two-lines/);
  });

  test("a secret that is set is in no record, whatever names it, and files with it stay out of the copy", async () => {
    await cairn.run(["secrets", "set", "plain"], { stdin: canary });
    const desk = await Desk.open(cairn, [
      {
        text: `I know ${canary}.`,
        calls: [{ id: "a", tool: "exec", args: { command: `ls; echo ${canary} | cat` } }],
      },
      { text: "Done." },
    ]);
    writeFileSync(join(desk.workspace, "notes.txt"), `token ${canary}\n`);
    const ran = await desk.start(["--goal", `Use ${canary}.`]);
    assert.equal(ran.code, 0, ran.stderr);
    const shown = await desk.do(["show", (await desk.session()).session]);
    assert.match(shown.stdout, /known secret/);
    for (const { stdout, stderr } of [ran, shown])
      assert.doesNotMatch(stdout + stderr, /canary-0123/);
    assert.deepEqual(filesWith(canary), []);
    assert.deepEqual(filesWith(canary, join(desk.workspace, ".cairn")), []);
    assert.match(ran.stderr + ran.stdout, /notes\.txt/);
  });
});
