import { existsSync, readFileSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { resolve } from "node:path";
import { CairnError } from "../core/errors.ts";
import type { FlowDefinition } from "../core/flowDefinition.ts";
import type { Log } from "../core/ports.ts";
import type { Service } from "../core/service.ts";
import { Engine } from "../engine.ts";
import { processSecrets, secretFiles } from "../processParts.ts";
import { openScaleOut, type ScaleOut } from "../scaleOut.ts";
import { parseArguments, type Arguments, type Values } from "./arguments.ts";
import { commandOf } from "./command.ts";
import { exitCodes } from "./exitCodes.ts";
import { helpText } from "./helpText.ts";
import { jsonLine, plain } from "./plain.ts";
import { printRecord } from "./printRecord.ts";

export interface CommandLineParts {
  /** Where the built worker files lie. */
  readonly dist: URL;
  /** Flows of one's own, beside the agent: what `--flow` names. */
  readonly flows: readonly FlowDefinition[];
  /** Services of one's own, beside those that ship. */
  readonly services?: readonly Service[];
}

/** Runs one command line and resolves with the exit code. Never throws: what went wrong is one sentence on standard error. */
export async function commandLine(
  argv: readonly string[],
  parts: CommandLineParts,
): Promise<number> {
  const secrets = processSecrets(process.env);
  try {
    const parsed = parseArguments(argv);
    if (parsed !== "help") {
      refuseOldNode();
      return await inWorkspace(parsed, { ...parts, secrets });
    }
    process.stdout.write(helpText());
    return exitCodes.done;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const known = CairnError.is(error);
    const sentence = known ? `${message} [${error.code}]` : `Cairn hit a bug: ${message}`;
    process.stderr.write(plain(`${secrets.exported.text(sentence)}\n`));
    return known && isWrongUse(error) ? exitCodes.usage : exitCodes.failed;
  }
}

/** Throws `node.old` where Node has no SQLite, which the store is kept in. */
function refuseOldNode(): void {
  if (process.getBuiltinModule("node:sqlite") !== undefined) return;
  throw new CairnError(
    "node.old",
    `Cairn needs Node 22.13 or newer, and this is ${process.version}. Run it with a newer one; the project's own is node_modules/.bin/node.`,
  );
}

interface ProcessParts extends CommandLineParts {
  readonly secrets: ReturnType<typeof processSecrets>;
}

async function inWorkspace(parsed: Arguments, parts: ProcessParts): Promise<number> {
  const { secrets } = parts;
  const perform = commandOf(parsed, { user: userInfo().username, surface: "cli" });
  const { postgres: url, concurrency } = parsed.values;
  if (url !== undefined && URL.canParse(url)) secrets.register(new URL(url).password);
  const log = logOf(parsed.values, secrets);
  const { env: environment } = process;
  const scaleOut =
    url === undefined ? null : await openScaleOut({ url, environment, log, concurrency });
  const opened: Engine[] = [];
  try {
    return await perform(() => {
      const sessions = openSessions(parsed.values, parts, scaleOut);
      opened.push(sessions);
      return sessions;
    }, scaleOut);
  } finally {
    await scaleOut?.close();
    await Promise.all(opened.map(async (sessions) => sessions.close()));
  }
}

function logOf({ json }: Values, { exported }: ProcessParts["secrets"]): Log {
  return (line) => {
    if (!json) process.stderr.write(plain(`      · ${exported.text(line)}\n`));
  };
}

function openSessions(
  values: Values,
  { dist, flows, services = [], secrets }: ProcessParts,
  scaleOut: ScaleOut | null,
): Engine {
  const files = secretFiles(process.env);
  const sessions = new Engine({
    workspace: folder(values.workspace),
    dist,
    shippedSkills: new URL("../skills", dist).pathname,
    version: version(dist),
    image: values.image,
    dockerSocket: null,
    runtime: values.runtime ?? null,
    gpus: values.gpus ?? null,
    environment: process.env,
    apiKey: async () => apiKey(values["api-key-file"]),
    log: logOf(values, secrets),
    onRecord: (record) => {
      process.stdout.write(values.json ? jsonLine(record) : printRecord(record));
    },
    flows,
    services,
    secrets,
    secret: async (name) => files.read(name),
    secretNames: async () => files.names(),
    watchesDeadlines: false,
    ...(scaleOut === null ? {} : { driver: scaleOut.driver }),
  });
  if (sessions.notice !== null) process.stderr.write(`${sessions.notice}\n`);
  return sessions;
}

/** The command asks for something that is not there: the sentence lists what is, and nothing was changed. */
function isWrongUse({ code }: CairnError): boolean {
  return wrongUse.has(code);
}

const wrongUse: ReadonlySet<string> = new Set([
  "usage.invalid",
  "secret.invalid",
  "profile.invalid",
  "flow.unknown",
  "selector.unknown",
  "selector.ambiguous",
  "override.invalid",
]);

function apiKey(file: string | undefined): string | null {
  if (file === undefined) return process.env["OPENAI_API_KEY"] ?? null;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new CairnError("model.noKey", `The key file ${file} cannot be read.`, { cause: error });
  }
}

function folder(path: string): string {
  const absolute = resolve(path);
  if (existsSync(absolute) && statSync(absolute).isDirectory()) return absolute;
  throw new CairnError(
    "workspace.none",
    `There is no folder ${absolute}. Name one with --workspace.`,
  );
}

function version(dist: URL): string {
  const text = readFileSync(new URL("../package.json", dist), "utf8");
  return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? "unknown";
}
