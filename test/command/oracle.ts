import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Where there are no programs, bash hands each one that it would start to a function of ours, with
 * the very words that `execve` would get. One bash does many lines, each in a subshell and in a
 * directory of its own.
 */
const script = String.raw`
command_not_found_handle() {
  enable printf
  printf '%s\0' "$#" "$@" >>"$trace"
  return "$status"
}
number=0
while IFS= read -r -d '' text; do
  trace=$place/$number.trace
  : >"$trace"
  ( cd "$place/$number"; eval "$text" ) </dev/null >/dev/null 2>&1
  number=$((number + 1))
done
`;
/** Builtins that a program stands in for are put out of force, so that they come the same way. */
const withoutPrograms = "PATH=/nonexistent\nenable -n echo printf test true false pwd\n";
const withEvil = "PATH=$place/bin\nexport trace\n";
const evil = `#!/bin/sh\nprintf '1\\0evil\\0' >>"$trace"\n`;

export interface Traced {
  /** The arguments of each program that was started. */
  readonly argv: readonly (readonly string[])[];
  /** The files that were made. */
  readonly files: readonly string[];
}

/** What bash really starts for each line when every program ends with this status. */
export function traceBash(
  lines: readonly string[],
  status: 0 | 1,
  only: "traced" | "evil" = "traced",
): readonly Traced[] {
  const place = mkdtempSync(join(tmpdir(), "cairn-oracle-"));
  try {
    const start = only === "evil" ? withEvil : withoutPrograms;
    writeFileSync(join(place, "script"), start + script);
    mkdirSync(join(place, "bin"));
    writeFileSync(join(place, "bin", "evil"), evil, { mode: 0o755 });
    for (const number of lines.keys()) mkdirSync(join(place, String(number)));
    const done = spawnSync("/bin/bash", ["--noprofile", "--norc", join(place, "script")], {
      env: { place, status: String(status), LANG: "C.UTF-8", HOME: "/nonexistent" },
      input: lines.map((line) => `${line}\0`).join(""),
      encoding: "utf8",
      timeout: 120_000,
    });
    if (done.status !== 0) throw new Error(`the oracle ended with ${done.status}: ${done.stderr}`);
    return lines.map((_, number) => ({
      argv: argvOf(readFileSync(join(place, `${number}.trace`), "utf8")),
      files: readdirSync(join(place, String(number))),
    }));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

function argvOf(trace: string): readonly (readonly string[])[] {
  const words = trace.split("\0").slice(0, -1);
  const all: string[][] = [];
  for (let at = 0; at < words.length;) {
    const count = Number(words[at]);
    all.push(words.slice(at + 1, at + 1 + count));
    at += 1 + count;
  }
  return all;
}
