import { createHash, randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CairnError } from "./core/errors.ts";
import type { Log, SandboxHost, World } from "./core/ports.ts";
import type { SandboxInfo, SessionRecord, SessionSpec, SessionStatus } from "./core/records.ts";
import { statusOf, viewOf } from "./core/replay.ts";
import { Session, type Answer, type SessionParts } from "./core/session.ts";
import type {
  Run,
  SandboxChoice,
  SessionEntry,
  Sessions,
  StartRequest,
  TreeViewer,
} from "./core/sessions.ts";
import { EmbeddedDriver } from "./durable/embeddedDriver.ts";
import { isDead, thisOwner } from "./durable/owner.ts";
import { placeStore, stateRoot, storeKey } from "./durable/storePlace.ts";
import { ModelSource } from "./model/modelSource.ts";
import { DockerSandbox } from "./sandbox/dockerSandbox.ts";
import { EmbeddedSandbox } from "./sandbox/embeddedSandbox.ts";
import { parseSkillSource } from "./skills/parseSkillSource.ts";
import { RecalledSkills } from "./skills/recalledSkills.ts";
import { SnapshotTrees } from "./snapshot/snapshotTrees.ts";
import { askQuestionTool } from "./tools/askQuestion.ts";
import { execTool } from "./tools/exec.ts";
import { skillTool } from "./tools/skill.ts";

export interface EngineOptions {
  readonly workspace: string;
  /** Where the built worker files lie. */
  readonly dist: URL;
  /** The skills that ship with Cairn. */
  readonly shippedSkills: string;
  readonly version: string;
  readonly image: string;
  /** Null for the engine's usual socket. */
  readonly dockerSocket: string | null;
  readonly environment: NodeJS.ProcessEnv;
  /** The key for an endpoint, null when there is none: no endpoint gets another's. */
  readonly apiKey: (url: string) => Promise<string | null>;
  readonly log: Log;
  readonly onRecord: (record: SessionRecord) => void;
}

/** A session with what it needs to run, kept while this process may go on with it. */
interface Live {
  readonly session: Session;
  readonly sandbox: SandboxHost;
  run: { readonly abort: AbortController; readonly done: Promise<SessionStatus> } | null;
  idle: NodeJS.Timeout | null;
}

/** How long a parked session keeps its shell for an answer. */
const idleMs = 10 * 60_000;

const world: World = {
  now: () => Date.now(),
  newId: () => randomUUID().replaceAll("-", "").slice(0, 12),
  digest: (text) => createHash("sha256").update(text).digest("hex"),
  sleep: async (ms, signal) => delay(ms, undefined, { signal }),
};

/** Makes every part for one workspace and joins them: what the extension and the command line share. */
export class Engine implements Sessions {
  readonly notice: string | null;
  readonly #options: EngineOptions;
  readonly #root: string;
  readonly #owner = thisOwner(process.pid);
  readonly #driver: EmbeddedDriver;
  readonly #models: ModelSource;
  readonly #live = new Map<string, Live>();
  /** Sessions whose copy is being removed. */
  readonly #dropping = new Map<string, Promise<void>>();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#root = stateRoot(options.environment);
    const key = storeKey(this.#root);
    const place = placeStore(options.workspace, this.#root);
    this.notice = place.notice;
    this.#driver = new EmbeddedDriver({
      path: place.path,
      key,
      owner: this.#owner,
      worker: new URL("storeWorker.js", options.dist),
    });
    this.#models = new ModelSource(options.apiKey);
  }

  get trees(): TreeViewer {
    return this.#trees(join(this.#root, "none"));
  }

  async start(request: StartRequest): Promise<Run> {
    const id = world.newId();
    if (!request.model.demo) await this.#models.check(request.model.url);
    const [sandbox, skills] = await Promise.all([
      this.#chooseSandbox(id, request.sandbox),
      parseSkillSource(request.skills ?? this.#options.shippedSkills, {
        cache: this.#skillCache,
      }).resolve(),
    ]);
    const model = request.model.demo
      ? { name: "demo", url: "demo", demo: true }
      : { ...request.model, demo: false };
    const spec: SessionSpec = {
      goal: request.goal,
      profile: request.profile,
      model,
      sandbox,
      skills: skills.info,
      workspace: this.#options.workspace,
      replayOf: null,
      version: this.#options.version,
    };
    return this.#create(id, spec);
  }

  async answer(session: string, answer: Answer): Promise<Run> {
    return this.#run(await this.#open(session), async (live, signal) =>
      live.session.answer(answer, signal),
    );
  }

  async resume(session: string): Promise<Run> {
    return this.#run(await this.#open(session), async (live, signal) =>
      live.session.resume(signal),
    );
  }

  async retry(session: string): Promise<Run> {
    return this.#run(await this.#open(session), async (live, signal) => live.session.retry(signal));
  }

  async apply(session: string): Promise<Run> {
    return this.#run(await this.#open(session), async (live, signal) => live.session.apply(signal));
  }

  async replay(session: string): Promise<Run> {
    const { spec } = viewOf(await this.#driver.read(session));
    return this.#create(world.newId(), { ...spec, replayOf: session });
  }

  async stop(session: string): Promise<boolean> {
    const run = this.#live.get(session)?.run;
    if (run === undefined || run === null) return false;
    run.abort.abort(new CairnError("cancelled", "The run was stopped."));
    await run.done.catch(() => {});
    return true;
  }

  async list(): Promise<readonly SessionEntry[]> {
    const summaries = await this.#driver.list();
    return summaries.flatMap(({ session, first, last, held, records }) =>
      first.kind === "session.started"
        ? [
            {
              session,
              goal: first.spec.goal,
              status: statusOf(last),
              held,
              startedAt: first.at,
              lastAt: last.at,
              records,
            },
          ]
        : [],
    );
  }

  async problems(): Promise<readonly { readonly session: string; readonly reason: string }[]> {
    return this.#driver.problems();
  }

  async records(session: string): Promise<readonly SessionRecord[]> {
    return this.#driver.read(session);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#live.keys()].map(async (session) => this.stop(session)));
    for (const live of this.#live.values()) this.#drop(live);
    await Promise.all(this.#dropping.values());
    await this.#models.close();
    await this.#driver.close();
  }

  async #create(id: string, spec: SessionSpec): Promise<Run> {
    const { parts, sandbox } = this.#parts(id, spec);
    const session = await Session.create(parts, id, spec);
    const live: Live = { session, sandbox, run: null, idle: null };
    this.#live.set(id, live);
    return this.#run(live, async (_, signal) => session.run(signal));
  }

  async #open(id: string): Promise<Live> {
    await this.#dropping.get(id);
    const known = this.#live.get(id);
    if (known !== undefined) return known;
    const { spec } = viewOf(await this.#driver.read(id));
    await this.#removeCopiesOfTheDead(id);
    const { parts, sandbox } = this.#parts(id, spec);
    const session = await Session.open(parts, id);
    const live: Live = { session, sandbox, run: null, idle: null };
    this.#live.set(id, live);
    return live;
  }

  #run(live: Live, verb: (live: Live, signal: AbortSignal) => Promise<SessionStatus>): Run {
    const { id } = live.session;
    if (live.run !== null) {
      throw new CairnError("session.busy", `Session ${id} is running here. Stop it first.`);
    }
    if (live.idle !== null) clearTimeout(live.idle);
    const abort = new AbortController();
    const done = this.#toRest(live, verb(live, abort.signal));
    live.run = { abort, done };
    return { session: id, done };
  }

  /** A session that parked keeps its shell for a while; any other end lets go of everything. */
  async #toRest(live: Live, work: Promise<SessionStatus>): Promise<SessionStatus> {
    let status: SessionStatus | null = null;
    try {
      status = await work;
      return status;
    } finally {
      live.run = null;
      if (status === "waiting") {
        live.idle = setTimeout(() => this.#drop(live), idleMs);
        live.idle.unref();
      } else {
        this.#drop(live);
      }
    }
  }

  /** Ends what a session has running and removes its copy: the records and blobs keep all of it. */
  #drop(live: Live): void {
    const { id } = live.session;
    if (live.idle !== null) clearTimeout(live.idle);
    this.#live.delete(id);
    const dropped = (async () => {
      await live.session.settled();
      await live.sandbox.stop();
      await rm(this.#copy(id), { recursive: true, force: true });
    })()
      .catch((error: unknown) => this.#options.log(`left behind of ${id}: ${String(error)}`))
      .finally(() => this.#dropping.delete(id));
    this.#dropping.set(id, dropped);
  }

  #parts(
    id: string,
    spec: SessionSpec,
  ): { readonly parts: SessionParts; readonly sandbox: SandboxHost } {
    const sandbox = this.#sandbox(id, spec.sandbox.backend, spec.sandbox.image);
    const skills = new RecalledSkills({
      cache: this.#skillCache,
      digest: spec.skills?.digest ?? "",
    });
    const parts: SessionParts = {
      driver: this.#driver,
      world,
      model: this.#models.model(spec.model),
      tools: [execTool(sandbox), skillTool(skills), askQuestionTool()],
      trees: this.#trees(this.#copy(id)),
      sandbox,
      onRecord: this.#options.onRecord,
    };
    return { parts, sandbox };
  }

  async #chooseSandbox(id: string, choice: SandboxChoice): Promise<SandboxInfo> {
    if (choice !== "auto") return this.#sandbox(id, choice, this.#options.image).probe();
    try {
      return await this.#sandbox(id, "docker", this.#options.image).probe();
    } catch (error) {
      if (!CairnError.is(error)) throw error;
      this.#options.log(`docker is not used: ${error.message}`);
      return this.#sandbox(id, "embedded", null).probe();
    }
  }

  #sandbox(id: string, backend: SandboxInfo["backend"], image: string | null): SandboxHost {
    const { dist, dockerSocket, log } = this.#options;
    const home = this.#home(id);
    const tree = this.#copy(id);
    if (backend === "embedded") {
      return new EmbeddedSandbox({
        tree,
        state: home,
        worker: new URL("embeddedWorker.js", dist),
        log,
      });
    }
    return new DockerSandbox({
      session: id,
      tree,
      state: home,
      image: image ?? this.#options.image,
      socketPath: dockerSocket,
      log,
    });
  }

  #trees(tree: string): SnapshotTrees {
    const asRoot = process.getuid?.() === 0;
    return new SnapshotTrees({
      workspace: this.#options.workspace,
      tree,
      blobs: this.#driver,
      owner: asRoot ? { uid: 1000, gid: 1000 } : null,
    });
  }

  #home(id: string): string {
    const home = join(this.#root, "sessions", id);
    mkdirSync(home, { recursive: true, mode: 0o700 });
    return home;
  }

  /**
   * This process's own copy of a session's workspace. Two processes that know one session, of
   * which one at most drives it, never share a copy: letting go of one cannot harm the other.
   */
  #copy(id: string): string {
    return join(this.#home(id), "copies", encodeURIComponent(this.#owner));
  }

  /** A killed process leaves its copy; the records have all of it that counts. */
  async #removeCopiesOfTheDead(id: string): Promise<void> {
    const copies = join(this.#home(id), "copies");
    const names = await readdir(copies).catch(() => []);
    const left = names.filter((name) => isDead(decodeURIComponent(name)));
    await Promise.all(
      left.map(async (name) => rm(join(copies, name), { recursive: true, force: true })),
    );
  }

  get #skillCache(): string {
    return join(this.#root, "skills");
  }
}
