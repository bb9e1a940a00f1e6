import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Secrets } from "../../src/redaction/secrets.ts";
import { jwt, pem, random } from "./secretSamples.ts";

const secret = `${random(6)}/ü "${random(9)}+`;
const bytes = Buffer.from(secret);
/** The ways in which commands and services write a value. */
const written: Readonly<Record<string, Buffer>> = {
  "as it is": bytes,
  "in base64": Buffer.from(bytes.toString("base64")),
  "in base64 inside of more": Buffer.from(Buffer.from(`a:${secret}:b`).toString("base64")),
  "in base64url": Buffer.from(bytes.toString("base64url")),
  "in hex": Buffer.from(bytes.toString("hex")),
  "in capital hex": Buffer.from(bytes.toString("hex").toUpperCase()),
  "in a URL": Buffer.from(encodeURIComponent(secret)),
  "in JSON": Buffer.from(JSON.stringify(secret)),
  reversed: Buffer.from(Array.from(secret).toReversed().join("")),
};

function through(pieces: readonly Uint8Array[]): Buffer {
  const secrets = new Secrets();
  secrets.register(secret);
  const stream = secrets.stream();
  return Buffer.concat([...pieces.map((piece) => stream.push(piece)), stream.end()]);
}

/** No run of this many bytes of it may come out: less is chance. */
const telling = 8;

suite("a secret that comes in pieces is taken out of a stream", () => {
  for (const [how, form] of Object.entries(written)) {
    test(`${how}, cut at every byte`, () => {
      const parts = Array.from({ length: form.length - telling }, (_, at) =>
        form.subarray(at + 1, at + 1 + telling),
      );
      for (const filler of [0, 9000, 20_000]) {
        const before = Buffer.from("line of output\n".repeat(filler / 15));
        const after = Buffer.from("\nand the rest\n".repeat(700));
        for (let cut = 1; cut < form.length; cut += 1) {
          const out = through([before, form.subarray(0, cut), form.subarray(cut), after]);
          assert.equal(out.includes("[redacted: known secret]"), true);
          const leaks = parts.some((part) => out.includes(part));
          assert.equal(leaks, false, `${cut}: ${out.toString("latin1", before.length - 20)}`);
        }
      }
    });
  }

  test("tokens and keys, too, a byte at a time", () => {
    const text = `${"x ".repeat(9000)}ghp_${random(36)} ${jwt}\n${pem.toString()}${"y ".repeat(9000)}`;
    const out = through(Array.from(Buffer.from(text), (byte) => Uint8Array.of(byte))).toString();
    const rest = "[redacted: github token] [redacted: jwt]\n[redacted: private key]\n";
    assert.equal(out, `${"x ".repeat(9000)}${rest}${"y ".repeat(9000)}`);
  });

  test("and all else comes out byte for byte, also what is no text", () => {
    const noise = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7919) % 251);
    for (const size of [1000, 4096, 30_000, 70_000]) {
      const pieces = [];
      for (let at = 0; at < noise.length; at += size) pieces.push(noise.subarray(at, at + size));
      assert.ok(through(pieces).equals(noise), `${size}`);
    }
  });
});

suite("a value that is registered is found in every text", () => {
  const secrets = new Secrets();
  secrets.register(secret);

  test("however it is written", () => {
    for (const [how, form] of Object.entries(written)) {
      const plain = secrets.persisted.text(`before ${form.toString()} after`);
      assert.match(plain, /^before .{0,8}\[redacted: known secret\].{0,8} after$/, how);
    }
  });

  test("and in the bytes of a file", () => {
    assert.equal(secrets.areIn(Buffer.from(`KEY=${secret}\n`)), true);
    assert.equal(secrets.areIn(Buffer.concat([Uint8Array.of(0, 255, 128), bytes])), true);
    assert.equal(secrets.areIn(Buffer.from(`KEY=${secret.slice(1)}\n`)), false);
    assert.equal(new Secrets().areIn(bytes), false);
  });

  test("those of an environment are told by their names", () => {
    const own = new Secrets();
    own.registerEnvironment({
      OPENAI_API_KEY: "first-value",
      DB_PASSWORD: "second-value",
      npm_token: "third-value",
      CLIENT_SECRET: "short",
      PATH: "fourth-value",
      KEYBOARD: "fifth-value",
    });
    const text = "first-value second-value third-value short fourth-value fifth-value";
    const marker = "[redacted: known secret]";
    assert.equal(
      own.persisted.text(text),
      `${marker} ${marker} ${marker} short fourth-value fifth-value`,
    );
  });

  test("a digest stays whatever part of it is registered, unless all of it is", () => {
    const own = new Secrets();
    own.register("abcdef012345");
    const digest = `${"abcdef012345".repeat(5)}abcd`;
    assert.deepEqual(own.persisted.value({ tree: digest }), { tree: digest });
    own.register(digest);
    assert.notDeepEqual(own.persisted.value({ tree: digest }), { tree: digest });
  });
});
