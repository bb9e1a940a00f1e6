import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Container, Exec } from "dockerode";
import { CairnError } from "../core/errors.ts";
import { deferred } from "./deferred.ts";
import { dockerFrames, type FrameSinks } from "./dockerFrames.ts";
import type { OutputEvents, OutputPaths, ShellEvents, ShellTransport } from "./shellTransport.ts";
import { SideRecords } from "./sideRecords.ts";
import { within } from "./within.ts";

const bash = ["bash", "--noprofile", "--norc"];
const engineWithinMs = 5_000;
/** A process that could not be started by then never will: the place is full. */
const roomWithinMs = 3_000;

/** Where the pipes for output are made: nothing else is there, and it goes with the container. */
export const pipesDirectory = "/run/cairn";

/**
 * Process 1 of the container, which no process inside can kill. It only uses builtins, so that it
 * still works when nothing can be started any more. When the host is gone its input ends, and with
 * it the container. Killing repeats, because a process may start others meanwhile.
 */
const warden = String.raw`
while read -r what arguments; do
  case $what in
    list) set -- /proc/[0-9]*; printf '\0%s %s\0' "$arguments" "${"$"}{*#/proc/}" ;;
    interrupt) kill -INT -- "-$arguments" ;;
    kill)
      for pass in {1..20}; do
        left=0
        for process in /proc/[0-9]*; do
          process=${"$"}{process#/proc/}
          case " 1 $arguments " in *" $process "*) continue ;; esac
          kill -KILL "$process" && left=1
        done
        [ $left = 1 ] || break
      done ;;
  esac
done 2>/dev/null
`;

/**
 * Copies two named pipes to its own two streams, for as long as anyone has them open. Says that it
 * is ready when all its processes are there, so that they are known as none of a command's.
 */
const outputPipes = String.raw`
mkfifo -m 600 "$1" "$2" || exit
cat "$1" &
cat "$2" >&2 &
printf .
wait
rm -f "$1" "$2"
`;

/** The command of a container that {@link DockerContainer} can work with. */
export const wardenCommand: readonly string[] = [...bash, "-c", warden];

/** A created container from its start to its end: its warden, and shells inside. */
export class DockerContainer {
  readonly #container: Container;
  readonly #answers = new SideRecords();
  readonly #name: string;
  readonly #lost = deferred<never>();
  #warden: NodeJS.ReadWriteStream | null = null;

  constructor(container: Container, name: string) {
    this.#container = container;
    this.#name = name;
    // Whoever waits hears of it; when nobody does, the next command will.
    this.#lost.promise.catch(() => undefined);
  }

  async start(): Promise<void> {
    const stream = await this.#container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      stderr: false,
      hijack: true,
    });
    this.#warden = stream;
    receive(
      stream,
      { stdout: (bytes) => this.#answers.push(bytes), stderr: () => undefined },
      (cause) => this.lose(cause),
    );
    await this.#container.start();
  }

  async openShell(events: ShellEvents): Promise<ShellTransport> {
    this.#lost.promise.catch(events.lost);
    const { exec, stream } = await this.#run([...bash, "--noediting", "-i"]);
    receive(stream, { stdout: events.side, stderr: () => undefined }, () => {
      this.#exitCode(exec).then(events.ended, (error: unknown) => this.lose(error));
    });
    return {
      write: (text) => stream.write(text),
      openOutput: async (output) => this.#openOutput(output),
      processes: async () => this.#processes(),
      interrupt: (shell) => this.#tell(`interrupt ${shell}`),
      killAllBut: (keep) => this.#tell(`kill ${keep.join(" ")}`),
    };
  }

  /** Stops every process while `work` runs. */
  async frozen<T>(work: () => Promise<T>): Promise<T> {
    await this.#whileHere(this.#container.pause());
    try {
      return await work();
    } finally {
      await this.#whileHere(this.#container.unpause());
    }
  }

  /** Whatever waits for the container, or will, hears `sandbox.lost`. */
  lose(cause?: unknown): void {
    this.#lost.reject(
      new CairnError(
        "sandbox.lost",
        `The container ${this.#name} ended or its engine stopped. Resume the session to go on in a new one.`,
        { cause },
      ),
    );
  }

  async #openOutput(events: OutputEvents): Promise<OutputPaths | null> {
    const name = randomBytes(8).toString("hex");
    const paths = {
      stdout: `${pipesDirectory}/${name}.out`,
      stderr: `${pipesDirectory}/${name}.err`,
    };
    const ready = deferred<boolean>();
    let stdout = (bytes: Buffer): void => {
      // The first byte says that the pipes are there.
      stdout = events.stdout;
      ready.resolve(true);
      if (bytes.length > 1) stdout(bytes.subarray(1));
    };
    try {
      const { stream } = await this.#run([
        ...bash,
        "-c",
        outputPipes,
        "cairn",
        paths.stdout,
        paths.stderr,
      ]);
      receive(stream, { stdout: (bytes) => stdout(bytes), stderr: events.stderr }, () => {
        events.ended();
        ready.resolve(false);
      });
    } catch (error) {
      // The engine cannot start a process where there is no room for one.
      if (CairnError.is(error)) throw error;
      return null;
    }
    return (await within(roomWithinMs, ready.promise)) === true ? paths : null;
  }

  async #processes(): Promise<readonly number[]> {
    const token = randomBytes(16).toString("hex");
    const answer = this.#answers.expect(token);
    this.#tell(`list ${token}`);
    const list = await Promise.race([answer, this.#lost.promise]);
    return list.split(" ").map(Number);
  }

  #tell(line: string): void {
    this.#warden?.write(`${line}\n`);
  }

  async #run(command: readonly string[]): Promise<{ exec: Exec; stream: Duplex }> {
    const exec = await this.#whileHere(
      this.#container.exec({
        Cmd: [...command],
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
      }),
    );
    const stream = await this.#whileHere(exec.start({ hijack: true, stdin: true }));
    return { exec, stream };
  }

  /** The streams of a process ended. Whether the process did is asked, never assumed. */
  async #exitCode(exec: Exec): Promise<number | null> {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      await this.#whileHere(this.#processes());
      const state = await this.#whileHere(exec.inspect());
      if (!state.Running) return state.ExitCode;
    }
    return null;
  }

  /** The engine's answer, unless the container is lost first or the answer never comes. */
  async #whileHere<T>(answer: Promise<T>): Promise<T> {
    const here = answer.then((value) => ({ value }));
    const first = await within(engineWithinMs, Promise.race([here, this.#lost.promise]));
    if (first !== null) return first.value;
    this.lose();
    return this.#lost.promise;
  }
}

function receive(
  stream: NodeJS.ReadableStream,
  sinks: FrameSinks,
  over: (cause?: unknown) => void,
): void {
  stream.on("data", dockerFrames(sinks, over));
  stream.on("end", () => over());
  stream.on("close", () => over());
  stream.on("error", over);
}
