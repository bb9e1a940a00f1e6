import { posix } from "node:path";
import { parse, printParseErrorCode, type ParseError } from "jsonc-parser";

import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import { knownProperties } from "./devContainerProperties.ts";
import { judgeRunArgs } from "./devContainerRunArgs.ts";
import { Variables } from "./devContainerVariables.ts";

/** What a dev container file asks for and gets. Made by {@link readDevContainer} alone. */
export interface DevContainerFile {
  readonly source:
    | { readonly kind: "image"; readonly image: string }
    | {
        readonly kind: "build";
        /** Paths in the folder, with `/`, none of which leads out of it; the context may be "". */
        readonly dockerfile: string;
        readonly context: string;
        readonly args: Readonly<Record<string, string>>;
        readonly target: string | null;
      };
  /** May still name variables of the image: see `imageEnv`. */
  readonly env: Readonly<Record<string, string>>;
  /** Where commands start, inside. */
  readonly directory: string;
  /** In the order in which they run. */
  readonly commands: readonly { readonly name: string; readonly command: string }[];
  /** One sentence for each thing that it asks for and does not get. */
  readonly refused: readonly string[];
}

const workspace = "/workspace";
const imagePattern =
  /^[a-z0-9][a-z0-9._-]*(?::\d+)?(?:\/[a-z0-9._-]+)*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?$/u;
const targetPattern = /^[\w.-]{1,128}$/u;
const variableName = /^[A-Za-z_]\w*$/u;
/** What changes the shell that Cairn talks to, or what every program loads before it begins. */
const shellsOwn =
  /^(?:BASH_.*|ENV|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|POSIXLY_CORRECT|IFS|LD_.*)$/u;
/** In the order of their lives. */
const lifecycle = [
  "onCreateCommand",
  "updateContentCommand",
  "postCreateCommand",
  "postStartCommand",
] as const;

const words = z.string().max(32_768);
const texts = z.record(z.string(), words);
const oneCommand = z.union([words, z.array(words).min(1)]);
const command = z.union([oneCommand, z.record(z.string(), oneCommand)]);
type OneCommand = z.infer<typeof oneCommand>;

const file = z.looseObject({
  image: z.exactOptional(words),
  build: z.exactOptional(
    z.looseObject({
      dockerfile: z.exactOptional(words),
      context: z.exactOptional(words),
      args: z.exactOptional(texts),
      target: z.exactOptional(words),
    }),
  ),
  dockerFile: z.exactOptional(words),
  context: z.exactOptional(words),
  containerEnv: z.exactOptional(texts),
  remoteEnv: z.exactOptional(z.record(z.string(), z.nullable(words))),
  containerUser: z.exactOptional(words),
  remoteUser: z.exactOptional(words),
  workspaceFolder: z.exactOptional(words),
  runArgs: z.exactOptional(z.array(words)),
  onCreateCommand: z.exactOptional(command),
  updateContentCommand: z.exactOptional(command),
  postCreateCommand: z.exactOptional(command),
  postStartCommand: z.exactOptional(command),
});
type Asked = z.infer<typeof file>;

/**
 * Reads and judges a `devcontainer.json`: JSON with comments. What it gives never depends on this
 * machine: no variable of the host is looked up. `path` is where it lies in the folder, `folder`
 * the folder's name. Throws `sandbox.devContainer` for a file that nothing can be made of.
 */
export function readDevContainer(text: string, path: string, folder: string): DevContainerFile {
  const asked = parsed(text, path);
  const variables = new Variables(folder);
  const refused = [...unknown(asked), ...users(asked)];
  const refuse = (sentence: string): void => void refused.push(sentence);
  const run = judgeRunArgs(asked.runArgs ?? []);
  refused.push(...run.refused);
  const env = environment(
    { ...asked.containerEnv, ...run.env, ...asked.remoteEnv },
    { variables, refuse },
  );
  return {
    source: sourceOf(asked, path, { variables, refuse }),
    env,
    directory: directoryOf(asked.workspaceFolder, variables, refuse),
    commands: lifecycle.flatMap((name) => commandsOf(name, asked[name], { variables, refuse })),
    refused,
  };
}

interface Judging {
  readonly variables: Variables;
  readonly refuse: (sentence: string) => void;
}

function parsed(text: string, path: string): Asked {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [error] = errors;
  if (error !== undefined) {
    const line = text.slice(0, error.offset).split("\n").length;
    throw unusable(path, `line ${line} is no JSON (${printParseErrorCode(error.error)})`);
  }
  const result = file.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join(".") ?? "";
  throw unusable(path, `${where === "" ? "it" : where}: ${issue?.message}`);
}

function unusable(path: string, reason: string): CairnError {
  return new CairnError(
    "sandbox.devContainer",
    `The dev container of this folder cannot be used: ${path}: ${reason}. Mend it, or turn it off with cairn.sandbox.devContainer or --dev-container off.`,
  );
}

function unknown(asked: Asked): readonly string[] {
  const own = Object.keys(asked).flatMap((name) => {
    if (name in file.shape) return [];
    return [
      Object.hasOwn(knownProperties, name)
        ? `${name}: ${knownProperties[name]}`
        : `${shown(name)}: Cairn does not know it.`,
    ];
  });
  const used = new Set(["dockerfile", "context", "args", "target"]);
  const ofBuild = Object.keys(asked.build ?? {}).filter((name) => !used.has(name));
  return [...own, ...ofBuild.map((name) => `build.${shown(name)}: not given to the build.`)];
}

/** Files belong to the person at the machine, so commands run with that number, whatever the name. */
function users({ containerUser, remoteUser }: Asked): readonly string[] {
  return Object.entries({ containerUser, remoteUser }).flatMap(([name, user]) => {
    if (user === undefined) return [];
    return /^(?:root|0+)(?::|$)/u.test(user.trim())
      ? [`${name} ${shown(user)}: nothing ever runs as root; commands run with your own number.`]
      : [
          `${name} ${shown(user)}: commands run with your own number, so that the files stay yours.`,
        ];
  });
}

function environment(
  given: Readonly<Record<string, string | null>>,
  { variables, refuse }: Judging,
): Readonly<Record<string, string>> {
  const entries = Object.entries(given).flatMap(([name, value]) => {
    if (value === null) return [];
    if (!variableName.test(name)) {
      refuse(`${shown(name)}: not a name of a variable.`);
      return [];
    }
    if (shellsOwn.test(name)) {
      refuse(`${name}: a variable that changes the shell itself is not set.`);
      return [];
    }
    const filled = variables.fill(value);
    if (filled.unknown === null && !filled.text.includes("\0"))
      return [[name, filled.text] as const];
    refuse(
      `${name}: it takes ${shown(filled.unknown ?? "a zero byte")}, which the sandbox does not get.`,
    );
    return [];
  });
  return Object.fromEntries(entries);
}

function sourceOf(asked: Asked, path: string, judging: Judging): DevContainerFile["source"] {
  const { image, build } = asked;
  const dockerfile = build?.dockerfile ?? asked.dockerFile;
  if (dockerfile === undefined) {
    if (image === undefined) throw unusable(path, "it names no image and no Dockerfile");
    if (!imagePattern.test(image)) throw unusable(path, `${shown(image)} is no name of an image`);
    return { kind: "image", image };
  }
  const target = build?.target ?? null;
  if (target !== null && !targetPattern.test(target)) {
    throw unusable(path, `${shown(target)} is no name of a stage`);
  }
  const place = posix.dirname(path);
  return {
    kind: "build",
    dockerfile: inside(place, dockerfile, path),
    context: inside(place, build?.context ?? asked.context ?? ".", path),
    args: environment(build?.args ?? {}, judging),
    target,
  };
}

/** A path in the folder, from the root of it. Throws `sandbox.devContainer` where it leads out. */
function inside(place: string, relative: string, path: string): string {
  const joined = posix.normalize(posix.join(place, relative));
  const out = joined === ".." || joined.startsWith("../");
  if (out || posix.isAbsolute(relative) || /[\\\0]|^[A-Za-z]:/u.test(relative)) {
    throw unusable(path, `${shown(relative)} leads out of the folder`);
  }
  const whole = joined.replace(/\/$/u, "");
  return whole === "." ? "" : whole;
}

function directoryOf(
  asked: string | undefined,
  variables: Variables,
  refuse: (sentence: string) => void,
): string {
  if (asked === undefined) return workspace;
  const { text, unknown: missing } = variables.fill(asked);
  const normal = posix.normalize(text).replace(/(?<=.)\/$/u, "");
  const fits = normal === workspace || normal.startsWith(`${workspace}/`);
  if (missing === null && fits && !normal.includes("\0")) return normal;
  refuse(`workspaceFolder ${shown(asked)}: the copy of the folder is at ${workspace}.`);
  return workspace;
}

function commandsOf(
  name: string,
  asked: z.infer<typeof command> | undefined,
  { variables, refuse }: Judging,
): DevContainerFile["commands"] {
  if (asked === undefined) return [];
  const several: readonly (readonly [string, OneCommand])[] =
    typeof asked === "string" || Array.isArray(asked)
      ? [[name, asked]]
      : Object.entries(asked).map(([label, one]) => [`${name}.${label}`, one]);
  return several.flatMap(([label, one]) => {
    const parts = (typeof one === "string" ? [one] : one).map((part) => variables.fill(part));
    const missing = parts.find((part) => part.unknown !== null)?.unknown ?? null;
    if (missing !== null || parts.some(({ text }) => text.includes("\0"))) {
      refuse(
        `${shown(label)}: it takes ${shown(missing ?? "a zero byte")}, which the sandbox does not get; it does not run.`,
      );
      return [];
    }
    // A list is a program with its arguments, and no shell looks at them.
    const [first] = parts;
    const line =
      typeof one === "string"
        ? (first?.text ?? "")
        : parts.map(({ text }) => quoted(text)).join(" ");
    return line.trim() === "" ? [] : [{ name: shown(label), command: line }];
  });
}

function quoted(argument: string): string {
  return `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}

/** Somebody's word in a sentence of ours: on one line, not too long. */
function shown(text: string): string {
  const line = text.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, " ");
  return line.length > 80 ? `${line.slice(0, 80)}…` : line;
}
