import { existsSync, readFileSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { resolve } from "node:path";
import { CairnError } from "../core/errors.ts";
import { namedProfile, parseProfile } from "../core/profile.ts";
import type { Profile, SessionRecord, SessionStatus } from "../core/records.ts";
import { parseAnswer, suggestedAnswer, viewOf } from "../core/replay.ts";
import { demoGoal, type Run, type Sessions } from "../core/sessions.ts";
import { Engine } from "../engine.ts";
import { helpText, parseArguments, type Arguments } from "./arguments.ts";
import { answerCommand, plain, printEntry, printRecord } from "./print.ts";

const exit = { completed: 0, failed: 1, usage: 2, waiting: 3, denied: 4 } as const;

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseArguments(argv);
  if (parsed === "help") {
    process.stdout.write(helpText());
    return exit.completed;
  }
  const workspace = folder(parsed.values.workspace);
  const sessions = new Engine({
    workspace,
    dist: new URL(".", import.meta.url),
    shippedSkills: new URL("../skills", import.meta.url).pathname,
    version: version(),
    image: parsed.values.image,
    dockerSocket: null,
    environment: process.env,
    apiKey: async () => apiKey(parsed.values["api-key-file"]),
    log: (line) => {
      if (!parsed.values.json) process.stderr.write(plain(`      · ${line}\n`));
    },
    onRecord: (record) => {
      process.stdout.write(
        parsed.values.json ? `${JSON.stringify(record)}\n` : printRecord(record),
      );
    },
  });
  try {
    if (sessions.notice !== null) process.stderr.write(`${sessions.notice}\n`);
    return await perform(sessions, parsed);
  } finally {
    await sessions.close();
  }
}

async function perform(sessions: Sessions, parsed: Arguments): Promise<number> {
  const [session = "", wait = "", value = ""] = parsed.rest;
  switch (parsed.verb) {
    case "sessions":
      return listSessions(sessions, parsed.values.json);
    case "show":
      return show(sessions, session, parsed.values.json);
    case "run":
      return follow(sessions, await start(sessions, parsed), parsed);
    case "answer":
      return follow(sessions, await answer(sessions, { session, wait, value }), parsed);
    case "resume":
      return follow(sessions, await sessions.resume(session), parsed);
    case "retry":
      return follow(sessions, await sessions.retry(session), parsed);
    case "replay":
      return follow(sessions, await sessions.replay(session), parsed);
    case "apply":
      return follow(sessions, await sessions.apply(session), parsed);
  }
}

async function start(sessions: Sessions, { values }: Arguments): Promise<Run> {
  const { demo, goal = demo ? demoGoal : undefined, model } = values;
  if (goal === undefined || goal.trim() === "") {
    throw new CairnError("usage.invalid", "Say what to do with --goal TEXT, or use --demo.");
  }
  if (!demo && model === undefined) {
    throw new CairnError("usage.invalid", "Name the model with --model M, or use --demo.");
  }
  const profile = loadProfile(values.profile);
  return sessions.start({
    goal,
    profile: {
      ...profile,
      strategy: values.strategy ?? profile.strategy,
      unattended: values.unattended || profile.unattended,
    },
    model: demo ? { demo } : { demo, url: values["model-url"], name: model ?? "" },
    sandbox: values.sandbox,
    skills: values.skills ?? null,
  });
}

async function answer(
  sessions: Sessions,
  given: { readonly session: string; readonly wait: string; readonly value: string },
): Promise<Run> {
  const { openWaits } = viewOf(await sessions.records(given.session));
  const open = openWaits.find((wait) => wait.wait === given.wait);
  return sessions.answer(given.session, {
    wait: given.wait,
    digest: null,
    // A wait that is not open is refused by the session, which knows whether it was answered.
    value: open === undefined ? given.value : parseAnswer(open, given.value),
    by: { user: userInfo().username, surface: "cli" },
  });
}

/** Drives a run to its end, its next wait or the first Ctrl+C, and says what to do then. */
async function follow(sessions: Sessions, run: Run, { values }: Arguments): Promise<number> {
  const interrupt = (): void => void sessions.stop(run.session);
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  const status = await run.done;
  const records = await sessions.records(run.session);
  if (!values.json) {
    for (const hint of hints(status, records, values.workspace)) {
      process.stderr.write(plain(`${hint}\n`));
    }
  }
  return codeOf(status, records);
}

function hints(
  status: SessionStatus,
  records: readonly SessionRecord[],
  workspace: string,
): readonly string[] {
  const { session, openWaits } = viewOf(records);
  switch (status) {
    case "waiting":
      return openWaits.map(
        (wait) => `It waits for you. Answer with:\n  ${answerCommand(wait, workspace)}`,
      );
    case "running":
      return [`Interrupted; nothing recorded is lost. Go on with: cairn resume ${session}`];
    case "failed":
      return [`Go on from the failed step with: cairn retry ${session}`];
    case "completed":
    case "cancelled":
      return [];
  }
}

function codeOf(status: SessionStatus, records: readonly SessionRecord[]): number {
  switch (status) {
    case "completed":
      return (viewOf(records).ended?.denied ?? 0) > 0 ? exit.denied : exit.completed;
    case "waiting":
      return exit.waiting;
    case "running":
    case "failed":
    case "cancelled":
      return exit.failed;
  }
}

async function listSessions(sessions: Sessions, json: boolean): Promise<number> {
  for (const entry of await sessions.list()) {
    if (!json) {
      process.stdout.write(printEntry(entry));
      continue;
    }
    const waits =
      entry.status === "waiting"
        ? viewOf(await sessions.records(entry.session)).openWaits.map((open) => ({
            wait: open.wait,
            kind: open.waitKind,
            suggested: open.waitKind === "question" ? suggestedAnswer(open) : "approve",
          }))
        : [];
    process.stdout.write(`${JSON.stringify({ ...entry, waits })}\n`);
  }
  for (const { session, reason } of await sessions.problems()) {
    process.stderr.write(plain(`${session}  unreadable: ${reason}\n`));
  }
  return exit.completed;
}

async function show(sessions: Sessions, session: string, json: boolean): Promise<number> {
  for (const record of await sessions.records(session)) {
    process.stdout.write(json ? `${JSON.stringify(record)}\n` : printRecord(record));
  }
  return exit.completed;
}

function loadProfile(name: string): Profile {
  return existsSync(name) ? parseProfile(readFileSync(name, "utf8"), name) : namedProfile(name);
}

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

function version(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? "unknown";
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const known = CairnError.is(error);
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(
    plain(known ? `${message} [${error.code}]\n` : `Cairn hit a bug: ${message}\n`),
  );
  process.exitCode = known && error.code === "usage.invalid" ? exit.usage : exit.failed;
}
