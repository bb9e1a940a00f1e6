import type { Action } from "./action.ts";

/** Programs that run what a file of the workspace says, by their own names. */
const files: Readonly<Record<string, string>> = {
  npm: "package.json",
  npx: "package.json and node_modules",
  pnpm: "package.json",
  yarn: "package.json",
  bun: "package.json",
  make: "the Makefile",
  gmake: "the Makefile",
  just: "the justfile",
  rake: "the Rakefile",
  cargo: "Cargo.toml and build.rs",
  go: "the module's files",
  gradle: "the build files",
  gradlew: "the build files",
  mvn: "pom.xml",
  mvnw: "pom.xml",
  tox: "tox.ini",
  pytest: "the tests",
  composer: "composer.json",
};

/** Programs that run the file in their arguments. */
const runners = /^(?:node|deno|python[\d.]*|ruby|perl|php|bash|dash|sh|zsh|source|\.)$/;

/**
 * What a command runs that its words do not show: files are taken as they are when it starts, and
 * something may change them until then. One sentence; empty when there is nothing to say.
 */
export function runsFiles({ command }: Action): string {
  if (command === undefined) return "";
  if (command === null) {
    return "It is not certain what bash would run here; files that it runs are taken as they are when it starts.";
  }
  const said = command.flatMap(({ argv, effect }) => (effect === "reads" ? [] : runBy(argv)));
  const named = [...new Set(said)].join(" and ");
  return named === "" ? "" : `Runs whatever ${named} says when it starts.`;
}

function runBy([program = "", ...rest]: readonly string[]): readonly string[] {
  const name = program.split("/").at(-1) ?? program;
  const known = Object.hasOwn(files, name) ? files[name] : undefined;
  if (known !== undefined) return [known];
  if (runners.test(name)) {
    const file = rest.find((word) => !word.startsWith("-"));
    return file === undefined ? [] : [file];
  }
  return program.includes("/") ? [program] : [];
}
