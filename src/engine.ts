import type { AuditTrail } from "./audit/auditTrail.ts";
import { openAudit } from "./auditParts.ts";
import { auditProblems } from "./core/audit.ts";
import { derive, type DerivationRequest } from "./core/derivation.ts";
import { CairnError } from "./core/errors.ts";
import { explain, type Explanation } from "./core/explain.ts";
import type {
  DurableDriver,
  SandboxHost,
  SandboxTerminal,
  StoreProblem,
  Survey,
  TerminalScreen,
} from "./core/ports.ts";
import type { Identity, SessionRecord, SessionSpec, SessionStatus } from "./core/records.ts";
import type { FileChange } from "./core/waitSubject.ts";
import { viewOf, type OpenWait } from "./core/replay.ts";
import { chooseExpired, keptSessions, type RetentionPolicy } from "./core/retention.ts";
import { Session } from "./core/session.ts";
import { SessionAudit } from "./core/sessionAudit.ts";
import { entryOf } from "./core/sessionEntry.ts";
import { requireOwn } from "./core/sessionSource.ts";
import { treeAt } from "./core/treeAt.ts";
import { waitFacts } from "./core/waitFacts.ts";
import type {
  Pruned,
  Rules,
  Run,
  SandboxCheck,
  SandboxChoice,
  SessionEntry,
  Sessions,
  StartRequest,
  TreeViewer,
  WaitFacts,
} from "./core/sessions.ts";
import type { Answer } from "./core/waitAnswer.ts";
import { Deadlines } from "./deadlines.ts";
import type { EngineOptions } from "./engineOptions.ts";
import { exportBundle, importBundle } from "./bundle/bundle.ts";
import { thisOwner } from "./durable/owner.ts";
import { stateRoot } from "./durable/storePlace.ts";
import { ModelSource } from "./model/modelSource.ts";
import { Workers } from "./sandbox/workers.ts";
import { openStore } from "./openStore.ts";
import { learnSecrets, processSecrets } from "./processParts.ts";
import type { Secrets } from "./redaction/secrets.ts";
import { pastOf } from "./pastSessions.ts";
import { PartsMaker } from "./sessionParts.ts";
import { sessionSpec, type SpecParts } from "./sessionSpec.ts";
import { world } from "./world.ts";

export { verifyBundle } from "./bundle/bundle.ts";
export { bundleLines } from "./bundle/bundleLines.ts";

/** A session with what it needs to run, kept while this process may go on with it. */
interface Live {
  readonly session: Session;
  readonly sandbox: SandboxHost;
  run: { readonly abort: AbortController; readonly done: Promise<SessionStatus> } | null;
  idle: NodeJS.Timeout | null;
}

/** How long a parked session keeps its shell for an answer. */
const idleMs = 10 * 60_000;

/** Makes every part for one workspace and joins them: what the extension and the command line share. */
export class Engine implements Sessions {
  readonly notice: string | null;
  readonly #options: EngineOptions;
  readonly #driver: DurableDriver;
  readonly #models: ModelSource;
  readonly #audit: AuditTrail;
  readonly #secrets: Secrets;
  readonly #workers: Workers;
  readonly #maker: PartsMaker;
  readonly #live = new Map<string, Live>();
  /** What earlier processes left is removed beside everything else. */
  readonly #sweeping: Promise<void>;
  /** Sessions whose copy is being removed. */
  readonly #dropping = new Map<string, Promise<void>>();
  readonly #deadlines = new Deadlines({
    world,
    open: async (session) => viewOf(await this.#driver.read(session)).openWaits,
    expire: async (wait) => this.#expire(wait),
  });

  constructor(given: EngineOptions) {
    const secrets = given.secrets ?? processSecrets(given.environment);
    const options: EngineOptions = {
      ...given,
      apiKey: secrets.keeping(given.apiKey),
      log: (line) => given.log(secrets.exported.text(line)),
    };
    this.#options = options;
    this.#secrets = secrets;
    const root = stateRoot(options.environment);
    const owner = thisOwner(process.pid);
    const { driver, notice } =
      options.driver === undefined
        ? openStore({ ...options, root, owner })
        : { driver: options.driver, notice: null };
    this.notice = notice;
    this.#driver = driver;
    this.#models = new ModelSource(options.apiKey);
    this.#audit =
      options.audit ??
      openAudit(options.environment, { log: options.log, redactor: secrets.persisted });
    this.#workers = options.workers ?? new Workers(root, options.log);
    this.#maker = new PartsMaker({
      ...options,
      root,
      owner,
      world,
      driver: this.#driver,
      audit: this.#audit,
      models: this.#models,
      secrets,
      secret: options.secret ?? (async () => null),
      flows: options.flows ?? [],
      services: { editor: options.editor ?? null, own: options.services ?? [] },
      runtime: options.runtime ?? null,
      gpus: options.gpus ?? null,
      workers: this.#workers,
      granted: (session) => this.#goOnByRules(session),
    });
    this.#sweeping = this.#maker.sweep();
  }

  get trees(): TreeViewer {
    return this.#maker.trees(null);
  }

  get rules(): Rules {
    return this.#maker.rules;
  }

  async survey(choice: Pick<StartRequest, "exclude" | "include">): Promise<Survey> {
    return this.#maker.trees(null, this.#options.workspace, choice).survey();
  }

  async diff(session: string, from: string, to: string): Promise<readonly FileChange[]> {
    const view = viewOf(await this.#driver.read(session));
    return this.trees.diff(treeAt(view, from), treeAt(view, to));
  }

  async sizes(): Promise<ReadonlyMap<string, number>> {
    return this.#driver.sizes();
  }

  async start(request: StartRequest): Promise<Run> {
    const id = world.newId();
    await learnSecrets(this.#options, this.#secrets);
    const spec = await sessionSpec(this.#specParts, id, request);
    return this.#create(id, spec);
  }

  async queue(request: StartRequest): Promise<string> {
    const id = world.newId();
    await learnSecrets(this.#options, this.#secrets);
    const spec = await sessionSpec(this.#specParts, id, request);
    const { parts, sandbox } = this.#maker.parts(id, spec);
    const session = await Session.create(parts, id, spec);
    await session.prepare(new AbortController().signal);
    this.#drop({ session, sandbox, run: null, idle: null });
    await this.#dropping.get(id);
    return id;
  }

  async answer(session: string, answer: Answer): Promise<Run> {
    const live = await this.#openFor(session, answer);
    for (let run = live.run; run !== null; run = live.run) {
      if (await live.session.answerWhileRunning(answer)) return { session, done: run.done };
      // Another answer may be before this one when that run is over.
      await run.done.catch(() => {});
    }
    return this.#run(live, async (_, signal) => live.session.answer(answer, signal));
  }

  async waitFacts(session: string, wait: string): Promise<WaitFacts> {
    const records = await this.#driver.read(session);
    const { spec } = viewOf(records);
    const { tools, commands } = this.#maker.parts(session, spec).parts;
    const past = await pastOf(this.#driver, session);
    const facts = { world, tools, commands, folder: spec.workspace };
    return waitFacts(facts, wait, records, past);
  }

  async leave(session: string, answer: Answer): Promise<void> {
    await (await this.#openFor(session, answer)).session.leave(answer);
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

  async undo(session: string): Promise<Run> {
    return this.#run(await this.#open(session), async (live, signal) => live.session.undo(signal));
  }

  async derive(session: string, request: DerivationRequest): Promise<Run> {
    const records = await this.#driver.read(session);
    await requireOwn(this.#driver, session);
    const { spec } = viewOf(records);
    const derivation = derive(records, request);
    return this.#create(world.newId(), { ...spec, replayOf: session, derivation });
  }

  async explain(session: string, selector: string): Promise<Explanation> {
    return explain(await this.#driver.read(session), selector);
  }

  async cancel(session: string, by: Identity): Promise<void> {
    const live = await this.#open(session);
    await this.stop(session);
    try {
      await live.session.cancel(by);
    } finally {
      this.#drop(live);
    }
  }

  async stop(session: string): Promise<boolean> {
    const run = this.#live.get(session)?.run;
    if (run === undefined || run === null) return false;
    run.abort.abort(new CairnError("cancelled", "The run was stopped."));
    await run.done.catch(() => {});
    return true;
  }

  async checkSandbox(choice: SandboxChoice): Promise<SandboxCheck> {
    return this.#maker.checkSandbox(`check-${world.newId()}`, choice);
  }

  async runtimes(): Promise<readonly string[]> {
    return this.#maker.runtimes();
  }

  async list(): Promise<readonly SessionEntry[]> {
    const summaries = await this.#driver.list();
    if (this.#options.watchesDeadlines !== false) await this.#deadlines.look(summaries);
    return summaries.flatMap((summary) => entryOf(summary) ?? []);
  }

  async problems(): Promise<readonly StoreProblem[]> {
    return this.#driver.problems();
  }

  async verify(): Promise<readonly StoreProblem[]> {
    const [stored, audit] = await Promise.all([this.#driver.verify(), this.#audit.verify()]);
    return [...stored, ...auditProblems(audit)];
  }

  async remove(session: string): Promise<void> {
    const live = this.#live.get(session);
    if (live !== undefined && live.run === null) this.#drop(live);
    await this.#dropping.get(session);
    await this.#driver.remove(session);
    await this.#maker.removeHome(session);
  }

  async prune(policy: RetentionPolicy): Promise<Pruned> {
    const [summaries, sizes] = await Promise.all([this.#driver.list(), this.#driver.sizes()]);
    const kept = keptSessions(summaries, sizes, (session) => this.#live.has(session));
    const { expired, bytesOver } = chooseExpired(kept, policy, world.now());
    for (const { session } of expired) await this.remove(session);
    const removed = expired.map(({ session, reason }) => ({
      session,
      reason: reason === "age" ? "It is older than the limit." : "It makes room for newer ones.",
    }));
    return { removed, bytesOver };
  }

  async *export(session: string): AsyncGenerator<string, void, void> {
    const { spec } = viewOf(await this.#driver.read(session));
    await Promise.all([this.#learnKey(spec), learnSecrets(this.#options, this.#secrets)]);
    yield* exportBundle(this.#driver, session, {
      version: this.#options.version,
      madeAt: world.now(),
      redaction: this.#secrets.exported,
    });
  }

  async import(lines: AsyncIterable<string>): Promise<string> {
    return (await importBundle(this.#driver, lines)).session;
  }

  async records(session: string): Promise<readonly SessionRecord[]> {
    return this.#driver.read(session);
  }

  async rebuildContainer(): Promise<readonly string[]> {
    return this.#maker.folderContainer(this.#options.workspace, this.#options.log).rebuild();
  }

  isLive(session: string): boolean {
    return this.#live.has(session);
  }

  async terminal(session: string, screen: TerminalScreen): Promise<SandboxTerminal> {
    const terminal = await this.#live.get(session)?.sandbox.terminal?.(screen);
    if (terminal !== undefined && terminal !== null) return terminal;
    throw new CairnError(
      "sandbox.unavailable",
      "There is no container to open a terminal in: it runs from the session's first command on, with the docker sandbox.",
    );
  }

  async runtimeLog(session: string): Promise<readonly string[]> {
    await this.#driver.read(session);
    return this.#maker.runtimeLog(session);
  }

  async close(): Promise<void> {
    this.#deadlines.close();
    await Promise.all([...this.#live.keys()].map(async (session) => this.stop(session)));
    for (const live of this.#live.values()) this.#drop(live);
    await Promise.all([...this.#dropping.values(), this.#sweeping]);
    if (this.#options.workers === undefined) await this.#workers.close();
    if (this.#options.audit === undefined) await this.#audit.close();
    await this.#models.close();
    await this.#driver.close();
  }

  get #specParts(): SpecParts {
    const { workspace, version, flows = [], secret = async () => null } = this.#options;
    const [maker, models, secrets] = [this.#maker, this.#models, this.#secrets];
    return { workspace, version, flows, maker, models, secrets, secret };
  }

  /** The key of a session's model is a secret before the first call is made with it. */
  async #learnKey({ model }: SessionSpec): Promise<void> {
    if (!model.demo) await this.#options.apiKey(model.url);
  }

  async #create(id: string, spec: SessionSpec): Promise<Run> {
    const { parts, sandbox } = this.#maker.parts(id, spec);
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
    // What cannot be read now is asked for, and complained of, when a call needs it.
    await this.#learnKey(spec).catch(() => {});
    await learnSecrets(this.#options, this.#secrets);
    await this.#maker.removeCopiesOfTheDead(id);
    const { parts, sandbox } = this.#maker.parts(id, spec);
    const session = await Session.open(parts, id);
    const live: Live = { session, sandbox, run: null, idle: null };
    this.#live.set(id, live);
    return live;
  }

  /** An answer to a session that cannot be had is refused as any other. */
  async #openFor(session: string, answer: Answer): Promise<Live> {
    try {
      return await this.#open(session);
    } catch (error) {
      await new SessionAudit(this.#audit, session).refused(answer, error);
      throw error;
    }
  }

  /** Whoever else answers or watches the same wait may be first. */
  async #expire({ session, wait, digest }: OpenWait): Promise<void> {
    try {
      const by = { user: "nobody", surface: "deadline" } as const;
      const run = await this.answer(session, { wait, digest, value: null, ended: "expired", by });
      await run.done;
    } catch (error) {
      this.#options.log(`the deadline of ${wait} of ${session}: ${String(error)}`);
      this.#deadlines.forget(session);
    }
  }

  /** What was allowed in one session may be what others here wait for. */
  #goOnByRules(granting: string): void {
    for (const live of this.#live.values()) {
      if (live.run !== null || live.session.id === granting) continue;
      const { done } = this.#run(live, async ({ session }, signal) => session.goOnByRules(signal));
      done.catch((error: unknown) => this.#options.log(`${live.session.id}: ${String(error)}`));
    }
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
        const watches = this.#options.watchesDeadlines ?? true;
        if (watches) this.#deadlines.watch(live.session.id, live.session.view.openWaits);
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
      await this.#maker.removeCopy(id);
    })()
      .catch((error: unknown) => this.#options.log(`left behind of ${id}: ${String(error)}`))
      .finally(() => this.#dropping.delete(id));
    this.#dropping.set(id, dropped);
  }
}
