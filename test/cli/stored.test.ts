import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { Cairn } from "./cairn.ts";
import { Desk } from "./desk.ts";

const cairn = new Cairn();
/** Another machine: another state directory, so another key. */
const elsewhere = new Cairn();
after(() => {
  cairn.remove();
  elsewhere.remove();
});

const marker = "a-marker-that-is-nowhere-else";
const secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

async function finished(goal = "Write a file."): Promise<{ desk: Desk; session: string }> {
  const command = `echo ${marker} > note.txt; echo token=${secret}`;
  const desk = await Desk.open(cairn, [
    { text: "I write.", calls: [{ id: "write", tool: "exec", args: { command } }] },
    { text: "Written." },
  ]);
  const profile = cairn.json("stored.json", { name: "stored", apply: "onRequest" });
  const ran = await desk.start(["--profile", profile, "--goal", goal]);
  assert.equal(ran.code, 0, ran.stderr);
  const { session } = await desk.session();
  return { desk, session };
}

/** Everything in a workspace's store, as one text. */
function bytesOf(workspace: string): string {
  const folder = join(workspace, ".cairn");
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), "latin1"))
    .join("");
}

suite("what is stored", { concurrency: 2 }, () => {
  test("a session goes to another machine as one file: redacted, verified, to be read and not continued", async () => {
    const { desk, session } = await finished();
    const file = join(cairn.place, "session.cairn.jsonl");
    const exported = await desk.do(["export", session, "--out", file]);
    assert.equal(exported.code, 0, exported.stderr);
    assert.match(exported.stdout, /is in .*session\.cairn\.jsonl/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const text = readFileSync(file, "utf8");
    assert.ok(text.includes("Written.") && !text.includes(secret));

    const again = await desk.do(["export", session, "--out", file]);
    assert.equal(again.code, 2);
    assert.match(again.stderr, /There is a file .* already, and it stays\./);
    assert.equal(readFileSync(file, "utf8"), text);
    const piped = await desk.do(["export", session]);
    assert.equal(piped.stdout.split("\n").length, text.split("\n").length);

    const workspace = elsewhere.folder();
    const there = async (...args: readonly string[]) =>
      elsewhere.run([...args, "--workspace", workspace]);
    const sound = await there("verify", file);
    assert.equal(sound.code, 0, sound.stderr);
    assert.match(sound.stdout, /is sound: \d+ records, \d+ files/);
    assert.equal(existsSync(join(workspace, ".cairn")), false, "a file needs no store");

    const imported = await there("import", file);
    assert.equal(imported.code, 0, imported.stderr);
    const listed = await there("sessions");
    assert.match(listed.stdout, new RegExp(`${session}  completed .* read-only  Write a file\\.`));
    const shown = await there("show", session);
    assert.match(shown.stdout, /Written\./);
    assert.match(shown.stdout, /\[redacted: /);
    const applied = await there("apply", session);
    assert.equal(applied.code, 1);
    assert.match(applied.stderr, /\[session\.readOnly\]/);
    for (const verb of ["fork", "replay"]) {
      const made = await there(verb, session);
      assert.match(made.stderr, /not continued\. \[session\.readOnly\]/, `${verb}: its profile`);
    }
    const twice = await there("import", file);
    assert.equal(twice.code, 2);
    assert.match(twice.stderr, /\[usage\.invalid\]/);
    assert.equal((await elsewhere.sessions(workspace)).length, 1);
    assert.equal((await there("verify")).code, 0);
  });

  test("a foreign bundle is refused with what to do, and leaves the store as it was", async () => {
    const { desk, session } = await finished();
    const file = join(cairn.place, "sound.cairn.jsonl");
    await desk.do(["export", session, "--out", file]);
    const text = readFileSync(file, "utf8");
    const workspace = elsewhere.folder();
    await elsewhere.run(["sessions", "--workspace", workspace]);
    const before = bytesOf(workspace);
    const lines = text.split("\n");
    const hostile: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
      ["empty", "", /\[bundle\.invalid\]/],
      ["a shopping list", "milk\nbread\n", /\[bundle\.invalid\]/],
      ["no text", Uint8Array.of(0xff, 0xfe, 0x00, 0x0a), /\[bundle\.invalid\]/],
      ["cut", text.slice(0, -200), /\[bundle\.invalid\]/],
      ["changed", text.replace("Written", "written"), /[Ll]ine \d+.*\[bundle\.invalid\]/],
      ["swapped", [lines[0], lines[2], lines[1], ...lines.slice(3)].join("\n"), /[Ll]ine 2/],
      ["newer", text.replace('{"cairnBundle":1', '{"cairnBundle":99'), /[Uu]pdate Cairn/],
    ];
    for (const [name, content, says] of hostile) {
      const path = join(cairn.place, `${name}.jsonl`);
      writeFileSync(path, content);
      for (const verb of ["import", "verify"]) {
        const refused = await elsewhere.run([verb, path, "--workspace", workspace]);
        assert.equal(refused.code, 1, `${verb} ${name}`);
        assert.match(refused.stderr, says, `${verb} ${name}`);
      }
    }
    for (const path of [join(cairn.place, "nowhere"), cairn.place]) {
      const missing = await elsewhere.run(["import", path, "--workspace", workspace]);
      assert.equal(missing.code, 2);
      assert.match(missing.stderr, /There is no file .* to read\./);
    }
    assert.deepEqual(await elsewhere.sessions(workspace), []);
    assert.equal(bytesOf(workspace), before);
  });

  test("a deleted session leaves no byte in any file of the store", async () => {
    const { desk, session } = await finished(`Say ${marker}.`);
    assert.ok(bytesOf(desk.workspace).includes(marker));
    const deleted = await desk.do(["delete", session]);
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.match(deleted.stdout, /no byte of it is left/);
    assert.equal(bytesOf(desk.workspace).includes(marker), false);
    assert.deepEqual(await cairn.sessions(desk.workspace), []);
    assert.equal(existsSync(join(cairn.home, "sessions", session)), false);
    const again = await desk.do(["delete", session]);
    assert.match(again.stderr, /There is no session .*\[session\.unknown\]/);
  });

  test("pruning deletes what has ended by age and by size, and keeps what waits", async () => {
    const { desk, session: first } = await finished();
    const waiting = await cairn.run(
      ["run", "--demo", "--sandbox", "embedded", "--workspace", desk.workspace],
      {},
    );
    assert.equal(waiting.code, 3, waiting.stderr);
    const young = await desk.do(["prune", "--older-than", "1h", "--max-size", "1GB"]);
    assert.equal(young.code, 0, young.stderr);
    assert.match(young.stdout, /There is nothing to delete\./);
    const pruned = await desk.do(["prune", "--max-size", "1B", "--json"]);
    assert.equal(pruned.code, 0, pruned.stderr);
    assert.match(pruned.stdout, new RegExp(`^{"session":"${first}","reason":`));
    const left = await cairn.sessions(desk.workspace);
    assert.deepEqual(
      left.map(({ status }) => status),
      ["waiting"],
    );
    const [kept] = left;
    assert.equal((await desk.do(["cancel", kept?.session ?? ""])).code, 0);
    await desk.do(["prune", "--older-than", "0.001s"]);
    assert.deepEqual(await cairn.sessions(desk.workspace), []);
  });

  test("verify names what was damaged, and exits 1", async () => {
    const { desk, session } = await finished("Say a-goal-to-damage.");
    const sound = await desk.do(["verify"]);
    assert.equal(sound.code, 0, sound.stderr);
    assert.match(sound.stdout, /Everything that is stored is sound\./);
    const path = join(desk.workspace, ".cairn", "sessions.db");
    const bytes = readFileSync(path, "latin1");
    writeFileSync(path, bytes.replaceAll("a-goal-to-damage", "a-goal-that-lies"), "latin1");
    const damaged = await desk.do(["verify"]);
    assert.equal(damaged.code, 1);
    assert.match(damaged.stdout, new RegExp(`^${session}  .*record 1`, "im"));
  });
});
