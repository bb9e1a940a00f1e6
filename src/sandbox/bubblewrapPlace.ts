import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Log, SandboxUsage } from "../core/ports.ts";
import { Bridge } from "./bridge.ts";
import {
  asOrdinaryUser,
  bubblewrapArguments,
  type BubblewrapPaths,
  dataKib,
  groupsFile,
  namesFile,
  openFiles,
  pipesInside,
  processLimit,
  usersFile,
} from "./bubblewrapArguments.ts";
import { bubblewrapFilter } from "./bubblewrapFilter.ts";
import { bubblewrapProof } from "./bubblewrapProof.ts";
import { NamedPipes } from "./namedPipes.ts";
import { processUsage } from "./processUsage.ts";
import type { OutputEvents, OutputPaths, ShellEvents, ShellTransport } from "./shellTransport.ts";
import { untilThere } from "./untilThere.ts";
import { bash, interactiveBash, Warden, wardenScript } from "./warden.ts";
import { within } from "./within.ts";

const startWithinMs = 5_000;
const endWithinMs = 5_000;
const stillWithinMs = 10_000;
const roomWithinMs = 3_000;
const longestComplaint = 2_000;
/** Never what the workspace or the user's shell says: only programs of the system are started. */
const environment = { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin" };

/** Until Linux 5.14 a limit of processes counts all that the user has, outside too. */
export const countsApart: boolean = ((): boolean => {
  const [major = 0, minor = 0] = kernelRelease().split(".").map(Number);
  return major > 5 || (major === 5 && minor >= 14);
})();

const before = String.raw`
proof=$1
set -m
for descriptor in /proc/self/fd/*; do
  descriptor=${"$"}{descriptor##*/}
  [ "$descriptor" -gt 2 ] && eval "exec $descriptor>&-"
done
ulimit -c 0
ulimit -Sn ${openFiles.soft}; ulimit -Hn ${openFiles.hard}
ulimit -d ${dataKib}
${countsApart ? `ulimit -u ${processLimit}` : ""}
cd ${pipesInside}
declare -A shells
each_state() {
  states=
  for process in /proc/[0-9]*; do
    [ "$process" = /proc/1 ] && continue
    IFS= read -r -d '' stat <"$process/stat"
    stat=${"$"}{stat##*) }
    [ -n "$stat" ] && states+="${"$"}{process#/proc/}:${"$"}{stat%% *} "
  done
}
`;

/**
 * `still` stops all processes with one signal, which none can outrun by starting another, and
 * `states` says how far that is. `go` leaves alone what was stopped before, and wakes children
 * before their parents, so that no parent finds a child stopped.
 */
const more = String.raw`
    pipes) mkfifo -m 600 ${"$"}{arguments#* }; printf '\0%s %s\0' "${"$"}{arguments%% *}" "$?" ;;
    shell) (cd /workspace; exec ${interactiveBash.join(" ")}) <"${"$"}{arguments% *}" >"${"$"}{arguments#* }" & shells[${"$"}{arguments% *}]=$! ;;
    code)
      shell=${"$"}{shells[${"$"}{arguments#* }]}
      if kill -0 "$shell"; then code=; else wait "$shell"; code=$?; fi
      printf '\0%s %s\0' "${"$"}{arguments% *}" "$code" ;;
    still) each_state; before=" $states"; kill -STOP -1 ;;
    states) each_state; printf '\0%s %s\0' "$arguments" "$states" ;;
    go)
      processes=(/proc/[0-9]*)
      for ((at = ${"$"}{#processes[@]} - 1; at >= 0; at -= 1)); do
        process=${"$"}{processes[at]#/proc/}
        case $before in *" $process:T "*) ;; *) [ "$process" = 1 ] || kill -CONT "$process" ;; esac
      done ;;
    proof)
      # In one piece, which the answers to others do not come between: bash writes line by line.
      {
        found=$(exec ${bash.join(" ")} -p -c "$proof" </dev/null)
        printf '\0%s %s\0' "$arguments" "${"$"}{found//$'\n'/$'\036'}"
      } & ;;
`;

/** One running place of bubblewrap: its process 1 is the warden, and it ends with this process. */
export class BubblewrapPlace {
  readonly #paths: BubblewrapPaths;
  readonly #warden = new Warden("The bubblewrap sandbox");
  readonly #pipes: NamedPipes;
  /** Null in a place without a proxy. */
  readonly bridge: Bridge | null;
  #child: ChildProcess | null = null;
  #complaint = "";

  /** `log` is told what keeps commands from the proxy. */
  constructor(paths: BubblewrapPaths, log: Log = () => undefined) {
    this.#paths = paths;
    this.bridge = paths.proxy === null ? null : new Bridge(this.#warden, log);
    this.#pipes = new NamedPipes(paths.pipes, async (names) =>
      this.#warden.ask("pipes", names.join(" ")),
    );
  }

  /** Resolves when the place answers. Throws with what bubblewrap said when it cannot be. */
  async start(): Promise<void> {
    const inputs = [usersFile, groupsFile, namesFile, bubblewrapFilter(process.arch)];
    const child = spawn("bwrap", this.#arguments(inputs), {
      cwd: "/",
      env: environment,
      stdio: ["pipe", "pipe", "pipe", ...inputs.map(() => "pipe" as const)],
    });
    this.#child = child;
    const gone = new Promise<void>((resolve) => {
      child.once("error", (error) => {
        this.#complaint ||= error.message;
        resolve();
      });
      child.once("close", () => resolve());
    });
    void gone.finally(() => {
      this.#warden.lose();
      this.#pipes.close();
    });
    for (const stream of child.stdio) stream?.on("error", () => undefined);
    child.stdout?.on("data", (bytes: Buffer) => this.#warden.push(bytes));
    child.stderr?.on("data", (bytes: Buffer) => {
      this.#complaint = (this.#complaint + bytes.toString()).slice(0, longestComplaint);
    });
    for (const [index, input] of inputs.entries()) {
      const stream = child.stdio[index + 3];
      if (stream !== null && stream !== undefined && "end" in stream) stream.end(input ?? "");
    }
    this.#warden.connect((line) => child.stdin?.write(line));
    // It starts beside the rest; whoever needs it waits for it, and hears what was wrong.
    this.bridge?.up().catch(() => undefined);
    try {
      await this.#warden.whileHere(this.#warden.processes(), startWithinMs);
    } catch (error) {
      await this.stop();
      throw new Error(this.#complaint.trim() || "it does not answer", { cause: error });
    }
  }

  async openShell(events: ShellEvents): Promise<ShellTransport> {
    this.#warden.lost.catch(events.lost);
    const [input = "", side = ""] = (await this.#warden.whileHere(this.#pipes.pair())) ?? [];
    const writer = this.#pipes.write(input);
    const ended = (): void => {
      // It closes at the shell's end, or when another program takes its place: that may last.
      untilThere(
        async () => (await this.#warden.whileHere(this.#warden.ask("code", input))) || null,
      )
        .then((code) => Number(code))
        .then(events.ended, (error: unknown) => this.#warden.lose(error))
        .finally(() => writer?.destroy());
    };
    if (writer === null || this.#pipes.read(side, events.side, ended) === null) {
      this.#warden.lose();
      return this.#warden.lost;
    }
    this.#warden.tell(`shell ${input} ${side}`);
    return {
      write: (text) => writer.write(text),
      openOutput: async (output) => this.#openOutput(output),
      processes: async () => this.#warden.processes(),
      interrupt: (shell) => this.#warden.tell(`interrupt ${shell}`),
      way: this.bridge,
      killAllBut: (keep) => this.#warden.tell(`kill ${keep.join(" ")}`),
    };
  }

  /** Stops every process while `work` runs. */
  async frozen<T>(work: () => Promise<T>): Promise<T> {
    this.#warden.tell("still");
    try {
      await this.#warden.whileHere(this.#untilStill(), stillWithinMs);
      return await work();
    } finally {
      this.#warden.tell("go");
    }
  }

  /** What each control is found to be from inside, by a process that no command has touched. */
  async proof(): Promise<string> {
    return this.#warden.whileHere(this.#warden.ask("proof"));
  }

  /** Throws `sandbox.lost` when it is gone. */
  async usage(): Promise<SandboxUsage> {
    const { pid } = this.#child ?? {};
    const found = pid === undefined ? null : await processUsage(pid);
    return found ?? this.#warden.lost;
  }

  /** Ends every process inside; resolves when they are gone. Never throws. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "close").catch(() => undefined);
    // The kernel ends all others before process 1 is gone, and that ends with its input.
    child.stdin?.destroy();
    if ((await within(endWithinMs, gone)) === null) child.kill("SIGKILL");
    await within(endWithinMs, gone);
  }

  #arguments(inputs: readonly (string | Buffer | null)[]): readonly string[] {
    const filter = inputs[3] === null ? null : 6;
    const command = [...bash, "-c", wardenScript(before, more), "cairn", bubblewrapProof];
    const inner = (paths: BubblewrapPaths): readonly string[] =>
      bubblewrapArguments(paths, { users: 3, groups: 4, names: 5, filter }, command);
    return process.getuid?.() === 0 ? asOrdinaryUser(this.#paths, inner) : inner(this.#paths);
  }

  async #openOutput(events: OutputEvents): Promise<OutputPaths | null> {
    const names = await within(roomWithinMs, this.#pipes.pair());
    if (names === null) return null;
    const [stdout, stderr] = names;
    let open = 2;
    const ended = (): void => {
      open -= 1;
      if (open === 0) events.ended();
    };
    const first = this.#pipes.read(stdout, events.stdout, ended);
    const second = this.#pipes.read(stderr, events.stderr, ended);
    if (first === null || second === null) {
      first?.destroy();
      second?.destroy();
      return null;
    }
    return { stdout: `${pipesInside}/${stdout}`, stderr: `${pipesInside}/${stderr}` };
  }

  /** A process in the middle of an input or output stops when that is done. */
  async #untilStill(): Promise<void> {
    await untilThere(async () => (/:[^TtZX] /.test(await this.#warden.ask("states")) ? null : {}));
  }
}

function kernelRelease(): string {
  try {
    return readFileSync("/proc/sys/kernel/osrelease", "utf8");
  } catch {
    return "";
  }
}
