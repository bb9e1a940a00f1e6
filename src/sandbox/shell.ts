import type { CommandPart } from "../core/action.ts";
import { CairnError } from "../core/errors.ts";
import type { ExecOptions, ExecResult } from "../core/ports.ts";
import { BashProcess } from "./bashProcess.ts";
import type { CommandOutput } from "./commandOutput.ts";
import { deferred } from "./deferred.ts";
import { oneAtATime } from "./oneAtATime.ts";
import { bashText, shownParts, wasThere } from "./partsText.ts";
import { type Ending, runCommand, type Surroundings } from "./runCommand.ts";
import { notComparable, shellDifference, type ShellLook } from "./shellDifference.ts";
import type { OpenShell } from "./shellTransport.ts";
import { SideRecords } from "./sideRecords.ts";
import { untilStopped } from "./untilStopped.ts";

export interface ShellOptions extends Surroundings {
  readonly open: OpenShell;
  /** Directory that a new shell starts in, as a path inside. */
  readonly home: string;
}

/** The one shell of a session: calls queue, each ends in a result, and no command runs twice. */
export class PersistentShell {
  readonly #options: ShellOptions;
  readonly #inTurn = oneAtATime();
  #bash: BashProcess | null = null;
  #atWork = false;
  #clean: ShellLook | null = null;
  #cwd: string;

  constructor(options: ShellOptions) {
    this.#options = options;
    this.#cwd = options.home;
  }

  async run(command: string, options: ExecOptions): Promise<ExecResult> {
    return this.exclusive(async () =>
      runCommand(options.shown ?? command, this.#options, async (output) => {
        this.#atWork = true;
        return this.#run(command, options, output).finally(() => {
          this.#atWork = false;
        });
      }),
    );
  }

  /** Runs what was read in a bash of its own, which nothing has touched before and nothing is left of. */
  async execute(
    parts: readonly CommandPart[],
    options: ExecOptions & { readonly cwd: string },
  ): Promise<ExecResult> {
    return this.exclusive(async () =>
      runCommand(options.shown ?? shownParts(parts), this.#options, async (output) =>
        this.#execute(parts, options, output),
      ),
    );
  }

  /** Starts bash for the first command, so that it need not wait for that. */
  async warm(): Promise<void> {
    return this.exclusive(async () => {
      this.#bash ??= await startBash(this.#options.open);
    });
  }

  /** What commands have made of the shell, in one sentence; empty for nothing. Waits for no command. */
  async differs(): Promise<string> {
    if (this.#atWork) return notComparable;
    return this.exclusive(async () => {
      const bash = this.#bash;
      if (bash?.alive !== true) return "";
      this.#clean ??= await this.#lookAtClean();
      const now = await bash.whileAlive(bash.look());
      return now === null || this.#clean === null
        ? notComparable
        : shellDifference(this.#clean, now);
    });
  }

  /** Does work between two commands. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#inTurn(work);
  }

  async #run(command: string, options: ExecOptions, output: CommandOutput): Promise<Ending> {
    if (options.signal.aborted) return { status: "cancelled", exitCode: null, cwd: this.#cwd };
    this.#bash ??= await startBash(this.#options.open);
    const bash = this.#bash;
    // It ended after the last command. This one may count on what is gone, so it does not run.
    if (!bash.alive) return this.#bury(bash);
    const stopped = await untilStopped(options, bash.whileAlive(bash.run(command, output)));
    const usable = stopped === null || (await bash.whileAlive(bash.stop())) === true;
    const settled = usable ? await bash.whileAlive(bash.settle()) : null;
    if (settled === null) return this.#bury(bash);
    this.#cwd = settled.cwd;
    return stopped === null
      ? { status: "exited", ...settled }
      : { status: stopped, exitCode: null, cwd: settled.cwd };
  }

  /** A clean shell costs something to start, so it is looked at once, by whoever asks first. */
  async #lookAtClean(): Promise<ShellLook | null> {
    const bash = await startBash(this.#options.open);
    try {
      return await bash.whileAlive(bash.look());
    } finally {
      await bash.leave();
    }
  }

  async #execute(
    parts: readonly CommandPart[],
    options: ExecOptions & { readonly cwd: string },
    output: CommandOutput,
  ): Promise<Ending> {
    const { cwd } = options;
    if (options.signal.aborted) return { status: "cancelled", exitCode: null, cwd };
    const bash = await startBash(this.#options.open);
    try {
      const text = bashText(parts, cwd, await bash.variables());
      const stopped = await untilStopped(options, bash.whileAlive(bash.run(text, output)));
      const usable = stopped === null || (await bash.whileAlive(bash.stop())) === true;
      const settled = usable ? await bash.whileAlive(bash.settle()) : null;
      if (stopped !== null) return { status: stopped, exitCode: null, cwd };
      if (settled !== null && !wasThere(cwd, settled.cwd)) throw noDirectory(cwd);
      return { status: "exited", exitCode: settled?.exitCode ?? null, cwd };
    } finally {
      await bash.leave();
    }
  }

  async #bury(bash: BashProcess): Promise<Ending> {
    const exitCode = await bash.kill();
    this.#bash = null;
    this.#cwd = this.#options.home;
    return { status: "shellDied", exitCode, cwd: this.#cwd };
  }
}

export function noDirectory(cwd: string): CairnError {
  return new CairnError(
    "sandbox.unavailable",
    `Nothing ran: ${cwd} is no directory in the sandbox. Change to one that is there, and ask again.`,
  );
}

async function startBash(open: OpenShell): Promise<BashProcess> {
  const records = new SideRecords();
  const ended = deferred<number | null>();
  // A place that is lost before there is a bash has told whoever opened it.
  ended.promise.catch(() => undefined);
  const side = (bytes: Buffer): void => records.push(bytes);
  const transport = await open({ side, ended: ended.resolve, lost: ended.reject });
  const bash = new BashProcess(transport, records, ended.promise);
  await bash.whileAlive(bash.start());
  return bash;
}
