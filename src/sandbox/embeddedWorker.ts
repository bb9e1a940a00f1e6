import { parentPort, workerData } from "node:worker_threads";
import {
  Bash,
  type BashExecResult,
  type CommandName,
  getCommandNames,
  InMemoryFs,
  latin1FromBytes,
  MountableFs,
  ReadWriteFs,
  stdoutAsBytes,
} from "just-bash";
import {
  type EmbeddedReply,
  type EmbeddedRequest,
  embeddedRequest,
  mounts,
} from "./embeddedProtocol.ts";

// Entry point of the worker thread: the only file that loads just-bash.

/** These need modules that are left out of the bundle. */
const leftOut: ReadonlySet<string> = new Set(["html-to-markdown", "sqlite3"]);
const elsewhere =
  /^bash: (git|node|npm|npx|pnpm|yarn|python3?|pip3?|make|gcc|cc|cargo|go|java|docker|curl|wget|ssh): command not/m;
const shellsOwn: ReadonlySet<string> = new Set(["?", "SHELLOPTS", "BASHOPTS", "OPTIND", "PWD"]);
/** Where a shell is that was given no directory: a command that is refused before it runs. */
const nowhere = "/nowhere";
/** The time a command may take is the caller's matter; these only have to be out of its way. */
const plenty = 1_000_000_000;
const largestFile = 256 * 1024 * 1024;

async function makeShell(): Promise<Bash> {
  const root = new InMemoryFs();
  for (const directory of ["/tmp", "/dev", "/agent"]) await root.mkdir(directory);
  const filesystem = new MountableFs({ base: root });
  for (const { host, inside } of mounts.parse(workerData)) {
    const options = { root: host, allowSymlinks: true, maxFileReadSize: largestFile };
    filesystem.mount(inside, new ReadWriteFs(options));
  }
  const commands = getCommandNames().filter((name): name is CommandName => !leftOut.has(name));
  return new Bash({
    fs: filesystem,
    commands,
    cwd: nowhere,
    env: { HOME: "/agent/runtime", LANG: "C.UTF-8" },
    executionLimits: {
      maxCommandCount: plenty,
      maxLoopIterations: plenty,
      maxAwkIterations: plenty,
      maxSedIterations: plenty,
      maxWorkUnits: plenty,
    },
  });
}

async function run(bash: Bash, request: EmbeddedRequest): Promise<EmbeddedReply> {
  const { command, cwd, env } = request;
  try {
    const result = await bash.exec(command, { cwd, env, rawScript: true });
    const left = result.env["PWD"];
    return {
      exitCode: result.exitCode,
      stdout: bytesOf(result),
      stderr: Buffer.from(result.stderr + hint(result.stderr)),
      cwd: left === undefined || left === nowhere ? cwd : left,
      env: carried(result.env),
    };
  } catch (error) {
    const sentence = error instanceof Error ? error.message : "The command could not be run.";
    const stderr = Buffer.from(`bash: ${sentence}\n`);
    return { exitCode: 1, stdout: new Uint8Array(), stderr, cwd, env };
  }
}

function bytesOf(result: BashExecResult): Uint8Array<ArrayBuffer> {
  return Buffer.from(latin1FromBytes(stdoutAsBytes(result)), "latin1");
}

/** Each run is a shell of its own in just-bash; variables are what goes over to the next. */
function carried(env: Readonly<Record<string, string>>): Record<string, string> {
  const own = Object.entries(env).filter(([name]) => !shellsOwn.has(name));
  return Object.fromEntries(own);
}

function hint(stderr: string): string {
  const program = elsewhere.exec(stderr)?.[1];
  if (program === undefined) return "";
  return `The embedded sandbox has no ${program}. It needs the bubblewrap or docker sandbox (--sandbox bubblewrap).\n`;
}

const shell = await makeShell();

/** A shell remembers where it found a command, and its root may have been written to. */
async function answer(request: EmbeddedRequest): Promise<EmbeddedReply> {
  return run(request.alone ? await makeShell() : shell, request);
}

parentPort?.on("message", (message: unknown) => {
  void answer(embeddedRequest.parse(message)).then((reply) => parentPort?.postMessage(reply));
});
