import type Docker from "dockerode";
import type { Container } from "dockerode";
import type { CommandPart } from "../core/action.ts";
import { CairnError } from "../core/errors.ts";
import type {
  ExecOptions,
  ExecResult,
  Finding,
  SandboxHost,
  SandboxTerminal,
  SandboxUsage,
  TerminalScreen,
} from "../core/ports.ts";
import type { SandboxInfo } from "../core/sandboxInfo.ts";
import { askToEnd } from "./askToEnd.ts";
import {
  answerOf,
  connectEngine,
  engineUnavailable,
  removeContainer,
  statusOf,
} from "./dockerEngine.ts";
import { checkOptions, type DockerSandboxOptions } from "./dockerSandboxOptions.ts";
import { infoOf, requireRuntime } from "./dockerInfo.ts";
import { deferred } from "./deferred.ts";
import { dockerTerminal } from "./dockerTerminal.ts";
import { dockerUsage } from "./dockerUsage.ts";
import { lossReason } from "./lossReason.ts";
import { unmarkContainer } from "./reaper.ts";
import { dockerWay, engineKind } from "./dockerWay.ts";
import { checkAsStarted, launch, type Launched, wayFindings } from "./launchContainer.ts";
import { removeRemains } from "./sessionRemains.ts";
import { finding } from "./finding.ts";
import { lookAtGroups, oomKills } from "./selfCheckProbe.ts";
import { tryInside } from "./selfCheckTrial.ts";
import { watchContainer } from "./watchContainer.ts";
import { within } from "./within.ts";

/** After a loss: nothing is waited for that may never answer. */
const goodbyeMs = 1_000;
const stopMs = 5_000;
const askMs = 3_000;
const killed = 137;

/** A hardened container over the session's tree, driven over the engine's socket. */
export class DockerSandbox implements SandboxHost {
  readonly #options: DockerSandboxOptions;
  #docker: Docker | null = null;
  #running: Promise<Launched> | null = null;

  /** Throws `usage.invalid` for a name that no container, image or runtime can have. */
  constructor(options: DockerSandboxOptions) {
    checkOptions(options);
    this.#options = options;
  }

  async probe(): Promise<SandboxInfo> {
    const { Id } = await this.#image();
    if (this.#options.proxy.isNeeded) {
      const docker = await this.#engine();
      await dockerWay(docker, this.#options, await engineKind(docker, this.#options));
    }
    return infoOf(this.#options, Id);
  }

  async start(): Promise<void> {
    await this.#ensureRunning();
  }

  async run(command: string, options: ExecOptions): Promise<ExecResult> {
    return this.#inShell(async (shell) => shell.run(command, options));
  }

  async execute(
    parts: readonly CommandPart[],
    options: ExecOptions & { readonly cwd: string },
  ): Promise<ExecResult> {
    return this.#inShell(async (shell) => shell.execute(parts, options));
  }

  async #inShell(work: (shell: Launched["shell"]) => Promise<ExecResult>): Promise<ExecResult> {
    const running = await this.#ensureRunning();
    return this.#whileHere(running, async () => {
      const result = await work(running.shell);
      await running.wayOut?.settle();
      const suspect = result.status === "shellDied" || result.exitCode === killed;
      if (!suspect || !(await this.#ranOutOfMemory(running))) return result;
      this.#options.log("→ the container was out of memory");
      return { ...result, outOfMemory: true };
    });
  }

  /** Tries each wall as well: what else runs inside may be ended by that. */
  async check(): Promise<readonly Finding[]> {
    const fresh = this.#running === null;
    this.#running ??= this.#launch();
    const running = await this.#orForget(this.#running);
    const { shell, container } = running;
    const findings = await shell.exclusive(async () => {
      const found = fresh ? running.findings : await checkAsStarted(running);
      return [...found, ...(await wayFindings(running)), ...(await this.#trials(running))];
    });
    if (findings.some(isBroken)) await this.#end(atOnce);
    else if (this.#running !== null) running.oomKills = oomKills(await lookAtGroups(container));
    return findings;
  }

  async frozen<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running === null) return work();
    const running = await this.#ensureRunning();
    return this.#whileHere(running, async () =>
      running.shell.exclusive(async () => running.worker.frozen(work)),
    );
  }

  async usage(): Promise<SandboxUsage | null> {
    const running = await this.#running;
    return running === null ? null : dockerUsage(running.container);
  }

  async shellDiffers(): Promise<string> {
    const running = await this.#running;
    return running === null ? "" : this.#whileHere(running, async () => running.shell.differs());
  }

  async terminal(screen: TerminalScreen): Promise<SandboxTerminal | null> {
    const running = await this.#running;
    return running === null ? null : dockerTerminal(running.container, screen);
  }

  async stop(): Promise<void> {
    await this.#end(askToEnd);
  }

  /** Removes the container, after what is to be done in it for the last time. */
  async #end(farewell: (container: Container) => Promise<void>): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    const { log, marks, session } = this.#options;
    log("stopping");
    const launched = await running.catch(() => null);
    if (launched === null) return;
    const { container, wayOut } = launched;
    // Where the engine is gone the container ends by itself with its stdin, and its mark tells the
    // next start to look.
    const removed = farewell(container)
      .then(async () =>
        within(
          stopMs,
          removeContainer(container).then(() => true),
        ),
      )
      .catch(() => null);
    const isGone = (await removed) === true;
    const isClosed = (await wayOut?.close()) ?? true;
    if (isGone && isClosed) await unmarkContainer(marks, session);
  }

  async #ensureRunning(): Promise<Launched> {
    this.#running ??= this.#launch();
    const running = await this.#orForget(this.#running);
    const broken = running.findings.filter(isBroken);
    if (broken.length === 0) return running;
    await this.#end(atOnce);
    throw policyBroken(broken);
  }

  async #orForget(starting: Promise<Launched>): Promise<Launched> {
    try {
      return await starting;
    } catch (error) {
      if (this.#running === starting) this.#running = null;
      throw error;
    }
  }

  async #launch(): Promise<Launched> {
    const image = await this.#image();
    const docker = await this.#engine();
    await removeRemains(docker, this.#options);
    return launch(docker, this.#options, image);
  }

  /** Work that needs the container, and ends with the reason when it is lost meanwhile. */
  async #whileHere<T>(running: Launched, work: () => Promise<T>): Promise<T> {
    const { container, worker } = running;
    const gone = deferred<never>();
    const watch = watchContainer(container, (cause) => {
      worker.lose(cause);
      gone.reject(cause);
    });
    try {
      return await Promise.race([work(), gone.promise]);
    } catch (error) {
      // What the engine refuses or drops now, it does because the container is not there.
      if (CairnError.is(error) && error.code !== "sandbox.lost") throw error;
      const docker = await this.#engine();
      const reason = await lossReason(docker, container, running.startedAt);
      await within(goodbyeMs, this.#end(atOnce));
      throw new CairnError(
        "sandbox.lost",
        `The container of the session ${reason}. Nothing is run again by itself: resume the session to go on in a new one.`,
        { cause: error },
      );
    } finally {
      watch.end();
    }
  }

  async #trials(running: Launched): Promise<readonly Finding[]> {
    try {
      const beyond = (await running.wayOut?.legs?.beyond()) ?? [];
      return await this.#whileHere(running, async () => tryInside(running.container, beyond));
    } catch (error) {
      if (!CairnError.is(error, "sandbox.lost")) throw error;
      // Where the runtime has a kernel of its own, that is a process among the others.
      const verdict = running.expected.ownKernel ? "gap" : "broken";
      return [finding("trial", "the container outlives it", error.message, verdict)];
    }
  }

  /** A command that is over is over: what cannot be asked any more is not known. */
  async #ranOutOfMemory(running: Launched): Promise<boolean> {
    const groups = await within(
      askMs,
      lookAtGroups(running.container).catch(() => null),
    );
    if (groups === null) return false;
    const counted = oomKills(groups);
    const more = counted > running.oomKills;
    running.oomKills = counted;
    return more;
  }

  async #image(): Promise<Docker.ImageInspectInfo> {
    const docker = await this.#engine();
    const { image, recipe, dev, socketPath, runtime } = this.#options;
    if (runtime !== null) await requireRuntime(docker, runtime);
    const name = dev === null ? image : await dev.image();
    return answerOf(docker.getImage(name).inspect(), (cause) =>
      statusOf(cause) === 404
        ? new CairnError(
            "sandbox.imageMissing",
            `The image ${image} is not on this machine. Build it with: docker build -t ${image} - < '${recipe}'`,
            { cause },
          )
        : engineUnavailable(socketPath, cause),
    );
  }

  async #engine(): Promise<Docker> {
    this.#docker ??= await connectEngine(this.#options.socketPath);
    return this.#docker;
  }
}

async function atOnce(): Promise<void> {}

function isBroken({ verdict }: Finding): boolean {
  return verdict === "broken";
}

function policyBroken(broken: readonly Finding[]): CairnError {
  const named = broken.map(
    ({ control, wanted, found }) => `${control} (wanted: ${wanted}; found: ${found})`,
  );
  return new CairnError(
    "sandbox.policy",
    `The container does not keep its policy, so nothing was run in it: ${named.join(", ")}. See all of it with: cairn sandbox check`,
    { details: { controls: broken.map(({ control }) => control).join(" ") } },
  );
}
