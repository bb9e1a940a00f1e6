import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Container, Exec } from "dockerode";
import { CairnError } from "../core/errors.ts";
import type { CommandWay } from "./commandWay.ts";
import { deferred } from "./deferred.ts";
import { execState } from "./dockerEngine.ts";
import { dockerFrames, type FrameSinks } from "./dockerFrames.ts";
import type { OutputEvents, OutputPaths, ShellEvents, ShellTransport } from "./shellTransport.ts";
import { untilThere } from "./untilThere.ts";
import { bash, interactiveBash, Warden, wardenScript } from "./warden.ts";
import { within } from "./within.ts";

/** The engine knows of a shell's end about when its connection does. */
const endedWithinMs = 500;
/** A process that could not be started by then never will: the place is full. */
const roomWithinMs = 3_000;

/** Where the pipes for output are made: nothing else is there, and it goes with the container. */
export const pipesDirectory = "/run/cairn";

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
export const wardenCommand: readonly string[] = [...bash, "-c", wardenScript()];

/** A created container from its start to its end: its warden, and shells inside. */
export class DockerContainer {
  readonly #container: Container;
  readonly #warden: Warden;
  /** Null in a place without a proxy. */
  readonly way: CommandWay | null;

  /** `way` makes how commands reach the proxy; null where there is none to reach. */
  constructor(
    container: Container,
    name: string,
    way: ((warden: Warden) => CommandWay) | null = null,
  ) {
    this.#container = container;
    this.#warden = new Warden(`The container ${name} or its engine`);
    this.way = way?.(this.#warden) ?? null;
  }

  async start(): Promise<void> {
    const stream = await this.#container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      stderr: false,
      hijack: true,
    });
    this.#warden.connect((line) => stream.write(line));
    receive(
      stream,
      { stdout: (bytes) => this.#warden.push(bytes), stderr: () => undefined },
      (cause) => this.#warden.lose(cause),
    );
    // Podman gives the warden the request's body as its first input: that is not for it.
    stream.write("\n");
    await this.#container.start();
    // It starts beside the rest; whoever needs it waits for it, and hears what was wrong.
    this.way?.up().catch(() => undefined);
  }

  async openShell(events: ShellEvents): Promise<ShellTransport> {
    this.#warden.lost.catch(events.lost);
    const { exec, stream } = await this.#run(interactiveBash);
    receive(stream, { stdout: events.side, stderr: () => undefined }, (cause) => {
      const ended = this.#exitCode(exec).then((exitCode) => ({ exitCode }));
      // What is written to a shell that just ended fails before its end is read.
      const known = cause === undefined ? ended : within(endedWithinMs, ended);
      known.then(
        (end) => (end === null ? this.lose(cause) : events.ended(end.exitCode)),
        (error: unknown) => this.#warden.lose(error),
      );
    });
    return {
      write: (text) => stream.write(text),
      openOutput: async (output) => this.#openOutput(output),
      processes: async () => this.#warden.processes(),
      interrupt: (shell) => this.#warden.tell(`interrupt ${shell}`),
      way: this.way,
      killAllBut: (keep) => this.#warden.tell(`kill ${keep.join(" ")}`),
    };
  }

  /** Whatever waits for the container, or will, hears `sandbox.lost`. */
  lose(cause: unknown): void {
    this.#warden.lose(cause);
  }

  /** Stops every process while `work` runs. */
  async frozen<T>(work: () => Promise<T>): Promise<T> {
    await this.#warden.whileHere(this.#container.pause());
    try {
      return await work();
    } finally {
      await this.#warden.whileHere(this.#container.unpause());
    }
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
      receive(stream, { stdout: (bytes) => stdout(bytes), stderr: events.stderr }, (cause) => {
        // What came until then is not all of it.
        if (cause !== undefined) this.lose(cause);
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

  async #run(command: readonly string[]): Promise<{ exec: Exec; stream: Duplex }> {
    const exec = await this.#warden.whileHere(
      this.#container.exec({
        Cmd: [...command],
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
      }),
    );
    const stream = await this.#warden.whileHere(exec.start({ hijack: true, stdin: true }));
    return { exec, stream };
  }

  /**
   * The streams of a process ended. Whether the process did is asked, never assumed: a program
   * that took the shell's place may last.
   */
  async #exitCode(exec: Exec): Promise<number | null> {
    return untilThere(async () => {
      const state = await this.#warden.whileHere(execState(exec));
      return state.running ? null : state;
    }).then(({ exitCode }) => exitCode);
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
