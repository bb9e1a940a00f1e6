import { randomBytes } from "node:crypto";
import { CairnError } from "../core/errors.ts";
import type { CommandOutput } from "./commandOutput.ts";
import { deferred } from "./deferred.ts";
import { exported } from "./partsText.ts";
import { lookScript, readLook, type ShellLook } from "./shellDifference.ts";
import type { ShellTransport } from "./shellTransport.ts";
import type { SideRecords } from "./sideRecords.ts";
import { within } from "./within.ts";

/** Nothing that is alive takes this long to answer. */
const answerWithinMs = 5_000;
/** For what may still come where nothing says that it will. */
const drainWithinMs = 300;
const stopAttempts = 6;
const stopAttemptMs = 200;

/**
 * Interactive, because only an interactive bash comes back to its prompt from SIGINT; and then
 * without what else interactive means. Commands are sourced, which is not interactive.
 *
 * `__cairn` is called between commands, which may have redefined anything. In POSIX mode, and an
 * assignment is all it takes, `unset` cannot be a function; after it `builtin` is the real one.
 * `set -e` ends with its command: if it lasted, any later command that fails would end the shell.
 */
const prologue = String.raw`
PS1= PS2=; unset HISTFILE; set +H +o history; shopt -u expand_aliases checkwinsize
__cairn() {
  POSIXLY_CORRECT=; \unset -f builtin
  if [[ $2 == open ]]; then \exec 211>"$3" 212>"$4"; fi
  \unset POSIXLY_CORRECT TMOUT PROMPT_COMMAND
  \builtin set +e
  case $2 in
    idle) \builtin printf '\0%s %s\0' "$3" "$$" ;;
    end)
      \builtin local GLOBIGNORE=
      \builtin printf %s "$3" >&211 && \builtin printf %s "$3" >&212
      \builtin set -- "$1" "$2" "$3" "$?" /proc/[0-9]*
      \builtin printf '\0%s %s %s ' "$3" "$1" "$4"
      \builtin printf '%s ' "${"$"}{@:5}" ';'
      \builtin pwd
      \builtin printf '\0' ;;
    look) \builtin printf '\0%s ' "$3"; ${lookScript}; \builtin printf '\0' ;;
  esac
  \builtin return "$1"
}
readonly -f __cairn
`;

/** Exit code, whether both streams took their end's mark, processes, directory. A shell that expands no names gives the pattern as it is. */
const endRecord = /^(\d+) (\d+) ([^;]*); ([^]*)\n$/;

interface Command {
  readonly token: string;
  readonly output: CommandOutput;
  /** What bash says at its end. */
  readonly answer: Promise<string>;
  /** The end of both streams. */
  readonly end: Promise<unknown>;
  stopped: boolean;
}

interface Streams {
  /** The command that they belong to; what comes between commands belongs to none. */
  output: CommandOutput | null;
  ended: boolean;
  readonly onEnd: Promise<void>;
}

/** Where a command left the shell. */
export interface Settled {
  readonly exitCode: number;
  readonly cwd: string;
}

/** One running bash. It is told what to run on stdin and answers on its stdout, the side channel. */
export class BashProcess {
  /** Resolves with the exit code when bash ends; rejects with `sandbox.lost`. */
  readonly ended: Promise<number | null>;
  readonly #transport: ShellTransport;
  readonly #records: SideRecords;
  #alive = true;
  #pid = 0;
  /** Processes that are not of the running command. */
  #others: readonly number[] = [];
  /** Processes that carry the output out of the place, where the transport has such. */
  #carriers: readonly number[] = [];
  #streams: Streams | null = null;
  /** What the shell was told last of the proxy: what it did with it since is its own. */
  #told = "";
  #command: Command | null = null;

  constructor(transport: ShellTransport, records: SideRecords, ended: Promise<number | null>) {
    this.#transport = transport;
    this.#records = records;
    this.ended = ended;
    const over = (): void => {
      this.#alive = false;
    };
    // Whoever waits for bash hears of its end; when nobody does, the next command will.
    ended.then(over, over);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Makes a new bash ready for its first command. */
  async start(): Promise<void> {
    this.#transport.write(prologue);
    const ready = within(answerWithinMs, this.#idle());
    const [pid, open] = await Promise.all([ready, this.#renewStreams()]);
    if (pid === null || !open) throw noAnswer();
    this.#pid = Number(pid);
  }

  /**
   * Resolves when the command is over. What comes after it stands in one compound with it, so bash
   * has read the token before the command starts: no child can find it and fake an end with it.
   */
  async run(command: string, output: CommandOutput): Promise<void> {
    const variables = exported(await this.variables());
    if (variables !== "" && variables !== this.#told) this.#transport.write(variables);
    if (variables !== "") this.#told = variables;
    if (this.#streams === null || this.#streams.ended) await this.#renewStreams();
    if (this.#streams !== null) this.#streams.output = output;
    const token = newToken();
    const marker = Buffer.from(token);
    const end = Promise.all([output.stdout.endsAt(marker), output.stderr.endsAt(marker)]);
    this.#command = { token, output, end, answer: this.#records.expect(token), stopped: false };
    const text = newToken();
    this.#transport.write(
      `{ \\builtin . /dev/stdin <<'${text}' >&211 2>&212 211>&- 212>&-\n${command}\n${text}\n` +
        `\\__cairn "$?" end ${token}; }\n`,
    );
    await this.#command.answer;
  }

  /**
   * Gives what the command left, after all of its output has come. Null when bash does not answer,
   * or its processes leave no room to go on.
   */
  async settle(): Promise<Settled | null> {
    const command = this.#command;
    if (command === null) return null;
    const match = endRecord.exec((await within(answerWithinMs, command.answer)) ?? "");
    if (match === null) return null;
    const [, exitCode, marked, list = "", cwd = ""] = match;
    const processes = this.#seenBy(list) ?? (await this.#processes());
    const whole = await drained(command, marked === "0" ? answerWithinMs : drainWithinMs);
    if (this.#streams !== null) this.#streams.output = null;
    // A process that outlives its command keeps the streams it was born with, for itself. After a
    // stop the end may have been marked twice.
    const quiet = processes.every((process) => this.#others.includes(process));
    if (whole && quiet && !command.stopped) this.#others = processes;
    else if (!(await this.#renewStreams())) return null;
    return { exitCode: Number(exitCode), cwd };
  }

  /** Ends the running command and all it started. False when bash could not be brought back. */
  async stop(): Promise<boolean> {
    const command = this.#command;
    if (command === null) return true;
    command.stopped = true;
    for (let attempt = 0; attempt < stopAttempts; attempt += 1) {
      this.#transport.interrupt(this.#pid);
      if (attempt > 0) this.#transport.killAllBut(this.#others);
      await this.#processes();
      const idle = await within(stopAttemptMs, this.#idle());
      // What comes after its end is another bash, which this must not touch.
      if (!this.#alive) return false;
      if (idle !== null) {
        this.#transport.killAllBut(this.#others);
        this.#transport.write(`\\__cairn "$?" end ${command.token}\n`);
        return true;
      }
    }
    return false;
  }

  /** What programs need to find the proxy, once they would find it; empty where there is none. */
  async variables(): Promise<Readonly<Record<string, string>>> {
    return (await this.#transport.way?.up()) ?? {};
  }

  /** The work's value; null as soon as bash ends, because then nothing answers any more. */
  async whileAlive<T>(work: Promise<T>): Promise<T | null> {
    return Promise.race([work, this.ended.then(() => null)]);
  }

  /** Ends bash and everything beside it. Resolves with the exit code, null when it is not known. */
  async kill(): Promise<number | null> {
    // What the last command wrote is still on its way, and a job may keep the streams open.
    this.#transport.killAllBut(this.#carriers);
    if (this.#streams !== null) await within(answerWithinMs, this.#streams.onEnd);
    this.#transport.killAllBut([]);
    await this.#processes();
    return within(answerWithinMs, this.ended);
  }

  /** What bash is now, compared with a clean one by {@link shellDifference}. Null when it does not answer. */
  async look(): Promise<ShellLook | null> {
    return within(answerWithinMs, this.#look());
  }

  /**
   * Traps are asked for before any function is called, which hides some of them; in POSIX mode
   * `trap` itself cannot be a function.
   */
  async #look(): Promise<ShellLook> {
    const token = newToken();
    const answer = this.#records.expect(token);
    const traps = String.raw`"$(POSIXLY_CORRECT=; \trap -p)"`;
    this.#transport.write(`\\__cairn "$?" look ${token} ${traps}\n`);
    return readLook(await answer, token);
  }

  /** Lets bash go that has nothing to do, and whatever else lives; what it left behind is ended if it does not answer. */
  async leave(): Promise<void> {
    this.#transport.write("\\builtin exit\n");
    if ((await within(answerWithinMs, this.ended)) === null && this.#alive) {
      const own = new Set([this.#pid, ...this.#carriers]);
      this.#transport.killAllBut(this.#others.filter((process) => !own.has(process)));
    }
    if (this.#streams !== null) await within(drainWithinMs, this.#streams.onEnd);
  }

  /** Resolves with bash's process id as soon as it has nothing else to do. */
  async #idle(): Promise<string> {
    const token = newToken();
    const answer = this.#records.expect(token);
    this.#transport.write(`\\__cairn "$?" idle ${token}\n`);
    return answer;
  }

  async #renewStreams(): Promise<boolean> {
    const before = await this.#processes();
    const ended = deferred<void>();
    const streams: Streams = { output: null, ended: false, onEnd: ended.promise };
    const paths = await this.#transport.openOutput({
      stdout: (bytes) => streams.output?.stdout.push(bytes),
      stderr: (bytes) => streams.output?.stderr.push(bytes),
      ended: () => {
        streams.ended = true;
        streams.output?.stdout.end();
        streams.output?.stderr.end();
        ended.resolve();
      },
    });
    if (paths === null) return false;
    this.#transport.write(`\\__cairn "$?" open ${paths.stdout} ${paths.stderr}\n`);
    this.#streams = streams;
    this.#others = await this.#processes();
    this.#carriers = this.#others.filter((process) => !before.includes(process));
    return true;
  }

  /** The shell's own list saves a question; null when its options kept it from looking. */
  #seenBy(list: string): readonly number[] | null {
    const processes = Array.from(list.matchAll(/\/proc\/(\d+)/g), ([, pid]) => Number(pid));
    return processes.includes(1) && processes.includes(this.#pid) ? processes : null;
  }

  async #processes(): Promise<readonly number[]> {
    const processes = await within(answerWithinMs, this.#transport.processes());
    if (processes !== null) return processes;
    throw noAnswer();
  }
}

function noAnswer(): CairnError {
  return new CairnError(
    "sandbox.lost",
    "The sandbox no longer answers. Resume the session to go on in a new one.",
  );
}

/**
 * Waits as long as something comes, and for a machine that has much else to do. False when the end
 * never did: bash wrote it to something that the command had put in the stream's place.
 */
async function drained({ output, end }: Command, withinMs: number): Promise<boolean> {
  let received = -1;
  while (output.received !== received) {
    received = output.received;
    if ((await within(withinMs, end)) !== null) return true;
  }
  return false;
}

function newToken(): string {
  return randomBytes(12).toString("hex");
}
