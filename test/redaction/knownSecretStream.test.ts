import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { KnownSecrets } from "../../src/redaction/knownSecrets.ts";
import { KnownSecretStream } from "../../src/redaction/knownSecretStream.ts";

const secret = "t0k/en+of=a&service-0123456789";
const bytes = Buffer.from(secret);
const marker = "[redacted: known secret]";
const forms: Readonly<Record<string, string>> = {
  "as it is": secret,
  "in base64": bytes.toString("base64"),
  "in base64url": bytes.toString("base64url"),
  "in hex": bytes.toString("hex"),
  "in a URL": encodeURIComponent(secret),
  "in JSON as PHP writes it": secret.replaceAll("/", String.raw`\/`),
  "in HTML by name": secret.replaceAll("&", "&amp;"),
  "in HTML by number": secret.replaceAll(/[&/+=]/g, (mark) => `&#${mark.charCodeAt(0)};`),
};

function through(pieces: readonly string[], values: readonly string[] = [secret]): string {
  const stream = new KnownSecretStream(new KnownSecrets(values));
  const out = pieces.map((piece) => stream.push(Buffer.from(piece, "latin1")));
  return Buffer.concat([...out, stream.end()]).toString("latin1");
}

suite("a known value is taken out of a stream wherever it is cut", () => {
  for (const [how, form] of Object.entries(forms)) {
    test(`${how}, in two pieces at every byte, and a byte at a time`, () => {
      const text = `before ${form} after`;
      const expected = through([text]);
      assert.equal(expected.startsWith(`before ${marker}`), true, expected);
      for (let cut = 0; cut <= text.length; cut += 1) {
        assert.equal(through([text.slice(0, cut), text.slice(cut)]), expected, `${cut}`);
      }
      assert.equal(through(Array.from(text)), expected);
    });
  }

  test("what overlaps goes as one, and what is a beginning only stays", () => {
    const values = ["abcabcabd", "cabdxyz"];
    assert.equal(through(Array.from("_abcabcabdxyz_"), values), `_${marker}_`);
    assert.equal(through(Array.from("_abcabcab_"), values), "_abcabcab_");
    assert.equal(through(["abcabc"], values), "abcabc");
  });

  test("what cannot begin one is given out at once", () => {
    const stream = new KnownSecretStream(new KnownSecrets([secret]));
    const event = "data: one event\n\n";
    assert.equal(Buffer.from(stream.push(Buffer.from(event))).toString(), event);
    assert.equal(Buffer.from(stream.push(Buffer.from(`${event}t0k/e`))).toString(), event);
    assert.equal(Buffer.from(stream.end()).toString(), "t0k/e");
  });

  test("all else comes out byte for byte", () => {
    const noise = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7919) % 251));
    for (const size of [1, 1000, 70_000]) {
      const stream = new KnownSecretStream(new KnownSecrets([secret]));
      const out: Uint8Array[] = [];
      for (let at = 0; at < noise.length; at += size) {
        out.push(stream.push(noise.subarray(at, at + size)));
      }
      assert.deepEqual(Buffer.concat([...out, stream.end()]), noise);
    }
  });
});
