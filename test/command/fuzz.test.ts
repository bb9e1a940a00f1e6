import assert from "node:assert/strict";
import { test } from "node:test";
import { commandReader } from "../../src/command/commandReader.ts";
import { traceBash } from "./oracle.ts";
import { inNoOrder, started } from "./started.ts";

/** More, for a longer look: `CAIRN_FUZZ=60000 node --test test/command/fuzz.test.ts`. */
const count = Number(process.env["CAIRN_FUZZ"] ?? 10_000);
const seed = 5;

const tokens = [
  ..."ls cat grep git echo printf test true find x y.txt src/a -l -n -- --color=always 12 HEAD~3 a=b".split(
    " ",
  ),
  ..."; && || | & \n |& ;; ( ) { } ! [ ] [[ ]] < > >> 2> 2>&1 >/dev/null 2>/dev/null << <<<".split(
    " ",
  ),
  ..."' \" \\ $ ` $x ${x} $(x) $((1)) $'x' * ? ~ ~/a # = % ^ @ : , + - . / 0 {a,b} a* \\' \\\" \\\\ \\;".split(
    " ",
  ),
  ..."if then fi do done while for in case esac time coproc function eval exec cd unset".split(" "),
  "\n",
  "'a b'",
  '"a b"',
  "''",
  '""',
  "'$(x)'",
  '"\\$x"',
  "'it'\\''s'",
  '"a\\b"',
  "a\\ b",
  "x'y'\"z\"",
];
/** Most lines begin and go on harmlessly, so that more than a few can be read. */
const plain = tokens.slice(0, 18);

test(`of ${count} lines of soup each that is read is what bash starts, word for word`, () => {
  const random = randomNumbers(seed);
  const pick = (from: readonly string[]): string => from[Math.floor(random() * from.length)] ?? "";
  const line = (): string => {
    const words = [pick(plain)];
    const length = 1 + Math.floor(random() * 7);
    for (let n = 0; n < length; n += 1) {
      words.push(random() < 0.75 ? " " : "", pick(random() < 0.25 ? plain : tokens));
    }
    return words.join("");
  };
  const reader = commandReader();
  const read = Array.from({ length: count }, line).flatMap((text) => {
    const parts = reader.read(text, "/workspace");
    return parts === null ? [] : [{ text, parts }];
  });
  // Names with a slash are not looked for, and cannot be traced.
  const traceable = read.filter(({ parts }) =>
    parts.every(({ argv: [name = ""] }) => !name.includes("/")),
  );
  assert.ok(traceable.length > count / 10, `${traceable.length} were read`);
  for (const status of [0, 1] as const) {
    // Where nothing depends on a status, once is enough.
    const looked = traceable.filter(
      ({ parts }) => status === 0 || parts.some(({ join }) => join === "and" || join === "or"),
    );
    const lines = looked.map(({ text }) => text);
    for (const [at, { argv, files }] of traceBash(lines, status).entries()) {
      const { text = "", parts = [] } = looked[at] ?? {};
      assert.deepEqual(inNoOrder(argv), started(parts, status), text);
      assert.deepEqual(files, [], text);
    }
  }
});

/** Mulberry32: small, and the same everywhere. */
function randomNumbers(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
