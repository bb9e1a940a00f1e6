import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const perFolder = 40;
const words = ["const", "value", "return", "function", "import", "string", "number", "export"];

/** Makes so many small source files, the same ones every time, in folders of folders; their paths. */
export function manyFiles(root: string, count: number): readonly string[] {
  const next = random(count);
  const paths: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const folder = Math.floor(n / perFolder);
    const inside = join(`area${folder % 25}`, `part${folder}`);
    if (n % perFolder === 0) mkdirSync(join(root, inside), { recursive: true });
    const path = join(inside, `file${n % perFolder}.ts`);
    writeFileSync(join(root, path), source(next));
    paths.push(path);
  }
  return paths;
}

/** Up to 4 KB of lines that are as much alike as lines of source are. */
function source(next: () => number): string {
  const lines = 4 + Math.floor(next() ** 2 * 100);
  const word = (): string =>
    next() < 0.5
      ? (words[Math.floor(next() * words.length)] ?? "")
      : Math.floor(next() * 0xffff_ffff).toString(36);
  return Array.from({ length: lines }, () => `${word()} ${word()} = ${word()}(${word()});\n`).join(
    "",
  );
}

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
