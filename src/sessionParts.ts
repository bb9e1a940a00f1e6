import { mkdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { ApprovedSkills } from "./approvedSkills.ts";
import { auditedSkills } from "./audit/auditedSkills.ts";
import { commandReader } from "./command/commandReader.ts";
import { CairnError } from "./core/errors.ts";
import { EgressParts, needsWayOut } from "./egressParts.ts";
import type { FlowDefinition } from "./core/flowDefinition.ts";
import type { AuditLog, DurableDriver, Egress, Log, SandboxHost, World } from "./core/ports.ts";
import { ruleSentence, type Rule } from "./core/rule.ts";
import type { Identity, SessionRecord, SessionSpec, SkillsInfo } from "./core/records.ts";
import type { Profile } from "./core/profileRecord.ts";
import type { SandboxInfo } from "./core/sandboxInfo.ts";
import type { SessionParts } from "./core/session.ts";
import type { SkillsParts } from "./core/skillUpdate.ts";
import type { SandboxCheck, StartRequest } from "./core/sessions.ts";
import { isDead, isGone, thisBoot } from "./durable/owner.ts";
import { storeKey } from "./durable/storePlace.ts";
import type { ModelSource } from "./model/modelSource.ts";
import { sessionName } from "./bundle/bundleFormat.ts";
import { readFolderRules } from "./rules/readFolderRules.ts";
import { RuleBook } from "./rules/ruleBook.ts";
import { plainSandbox } from "./redaction/plainSandbox.ts";
import type { Secrets } from "./redaction/secrets.ts";
import { BubblewrapSandbox } from "./sandbox/bubblewrapSandbox.ts";
import { engineRuntimes } from "./sandbox/dockerInfo.ts";
import { DockerSandbox } from "./sandbox/dockerSandbox.ts";
import type { DevPlace } from "./sandbox/dockerSandboxOptions.ts";
import { EmbeddedSandbox } from "./sandbox/embeddedSandbox.ts";
import { FolderContainer } from "./sandbox/folderContainer.ts";
import { reap } from "./sandbox/reaper.ts";
import { engineSocket } from "./sandbox/engineSocket.ts";
import { KnownTools } from "./sandbox/knownTools.ts";
import { RuntimeLog, runtimeLogFiles } from "./sandbox/runtimeLog.ts";
import { removeOfTheDead } from "./sandbox/ownDirectory.ts";
import { Worker } from "./sandbox/worker.ts";
import type { Workers } from "./sandbox/workers.ts";
import { parseSkillSource } from "./skills/parseSkillSource.ts";
import { RecalledSkills } from "./skills/recalledSkills.ts";
import { ServiceParts, type ServicePartsOptions } from "./serviceParts.ts";
import { SnapshotTrees } from "./snapshot/snapshotTrees.ts";
import { askQuestionTool } from "./tools/askQuestion.ts";
import { editFileTool } from "./tools/editFile.ts";
import { execTool } from "./tools/exec.ts";
import { listFilesTool } from "./tools/listFiles.ts";
import { readFileTool } from "./tools/readFile.ts";
import { searchTool } from "./tools/search.ts";
import { skillTool } from "./tools/skill.ts";
import { writeFileTool } from "./tools/writeFile.ts";

export interface PartsOptions {
  readonly workspace: string;
  /** Where the built worker files lie. */
  readonly dist: URL;
  /** The skills that ship with Cairn. */
  readonly shippedSkills: string;
  readonly image: string;
  /** Null for the usual sockets of Docker and Podman. */
  readonly dockerSocket: string | null;
  /** Runtime of new sessions' containers; null for the engine's own choice. */
  readonly runtime: string | null;
  readonly gpus: "all" | number | null;
  readonly log: Log;
  readonly onRecord: (record: SessionRecord) => void;
  /** Cairn's own directory outside workspaces. */
  readonly root: string;
  /** Who this process is: the name of its own copies. */
  readonly owner: string;
  readonly driver: DurableDriver;
  readonly models: ModelSource;
  readonly world: World;
  readonly audit: AuditLog;
  /** What must be in no record, no log and no copy. */
  readonly secrets: Secrets;
  /** A secret by its name; null when there is none. */
  readonly secret: (name: string) => Promise<string | null>;
  readonly flows: readonly FlowDefinition[];
  readonly services: Pick<ServicePartsOptions, "editor" | "own">;
  /** The sandboxes that this process has running. */
  readonly workers: Workers;
  /** Is told that a session's operator allowed something for more than once. */
  readonly granted: (session: string) => void;
}

/** Where an administrator's rules lie. */
const managedRules = "/etc/cairn/rules.json";

/** What of a sandbox is chosen before it is found. */
interface WantedSandbox extends Pick<SandboxInfo, "backend" | "image" | "runtime" | "gpus"> {
  readonly dev?: DevPlace | null;
  readonly egress?: Egress | null;
  /** Whether a place without a way out is none for it. */
  readonly needsEgress?: boolean;
}

type ChooseRequest = Pick<StartRequest, "sandbox" | "devContainer"> &
  Partial<Pick<StartRequest, "profile">>;

/** Makes what one session runs with: sandbox, trees, tools, skills. A flow or a tool of one's own gets its line here. */
export class PartsMaker {
  readonly #options: PartsOptions;
  readonly #logs = new Map<string, RuntimeLog>();
  /** The rules of this machine, its user and this folder. */
  readonly rules: RuleBook;
  readonly #egress: EgressParts;
  readonly services: ServiceParts;

  constructor(options: PartsOptions) {
    this.#options = options;
    const { root, workspace, audit, log: tell } = options;
    this.services = new ServiceParts({ ...options, ...options.services });
    this.rules = new RuleBook({
      root,
      workspace,
      key: storeKey(root),
      managed: managedRules,
      audit,
      tell,
    });
    this.#egress = new EgressParts(options, this.rules);
  }

  parts(
    id: string,
    spec: SessionSpec,
  ): { readonly parts: SessionParts; readonly sandbox: SandboxHost } {
    const { driver, world, audit, models, onRecord, flows, secrets } = this.#options;
    const way = this.#egress.forSession(id, spec, (line) => this.#kept(id).write(line));
    const sandbox = this.#worker(id, spec, way?.egress ?? null);
    const shown = plainSandbox(sandbox, secrets);
    const skills = new RecalledSkills({
      cache: this.#skillCache,
      digest: spec.skills?.digest ?? "",
    });
    const { devContainer, image } = spec.sandbox;
    const services = this.services.forSession(id, spec);
    const parts: SessionParts = {
      driver,
      world,
      model: models.model(spec.model),
      tools: [
        execTool(shown, way !== null),
        readFileTool(shown),
        writeFileTool(sandbox),
        editFileTool(sandbox),
        listFilesTool(shown),
        searchTool(shown),
        skillTool(auditedSkills(skills, { audit, world, session: id })),
        askQuestionTool(),
        ...services.tools,
      ],
      trees: this.trees(id, spec.workspace, spec),
      sandbox,
      permissions: (profile) => services.limited(this.rules.permissions(profile)),
      grant: async (...granted) => this.#grant(...granted),
      commands: commandReader(),
      ...(way === null ? {} : { wayOut: way.wayOut }),
      audit,
      flows,
      ...(spec.skills === null ? {} : { skills: this.#skillsParts(spec.skills, spec.workspace) }),
      ...(devContainer === undefined
        ? {}
        : {
            devContainer: {
              makeImage: async (signal) =>
                this.folderContainer(spec.workspace, this.#logOf(id)).make(
                  image ?? "",
                  devContainer,
                  signal,
                ),
              exec: execTool(shown),
            },
          }),
      redactor: secrets.persisted,
      onRecord,
    };
    return { parts, sandbox };
  }

  /** The answer stands, whatever becomes of the rule. */
  async #grant(rules: readonly Rule[], by: Identity, session: string): Promise<void> {
    const { log, granted } = this.#options;
    try {
      await this.rules.grant(rules, by, session);
      for (const rule of rules) log(`granted: ${ruleSentence(rule)}`);
      granted(session);
    } catch (error) {
      log(`nothing was granted: ${String(error)}`);
    }
  }

  /** Those that ship with Cairn change with it; a source of one's own is watched. */
  async skills(source: string | null): Promise<SkillsInfo> {
    const { shippedSkills, workspace } = this.#options;
    const found = parseSkillSource(source ?? shippedSkills, { cache: this.#skillCache });
    const resolved = await found.resolve();
    return source === null ? resolved.info : this.#approvedSkills(workspace).checked(resolved);
  }

  /** The profile of a new session: with services that are not here left out of it, and said. Throws as `ServiceParts.offered`. */
  async offered(given: Profile, demo: boolean): Promise<Profile> {
    const { profile, leftOut } = await this.services.offered(given, demo);
    for (const sentence of leftOut) this.#options.log(sentence);
    return profile;
  }

  async chooseSandbox(id: string, request: ChooseRequest): Promise<SandboxInfo> {
    const { log, runtime, gpus } = this.#options;
    const { sandbox: choice, profile } = request;
    const needsEgress = profile !== undefined && needsWayOut(profile);
    const probe = async (backend: SandboxInfo["backend"]): Promise<SandboxInfo> =>
      this.#sandbox(id, { ...this.#wanted(backend), needsEgress }, log).probe();
    // What only a container has was asked for: nothing else will do.
    const needsContainer = runtime !== null || gpus !== null;
    if (choice === "docker" || (choice === "auto" && needsContainer)) {
      return (await this.#devInfo(request)) ?? probe("docker");
    }
    if (choice !== "auto") return probe(choice);
    const attempts = [
      ["the folder's dev container", async () => this.#devInfo(request)],
      ["docker", async () => probe("docker")],
      ["bubblewrap", async () => probe("bubblewrap")],
    ] as const;
    for (const [what, attempt] of attempts) {
      try {
        const found = await attempt();
        if (found !== null) return found;
      } catch (error) {
        // A file that somebody wrote and that cannot be used is theirs to mend, not ours to pass over.
        if (!CairnError.is(error) || error.code === "sandbox.devContainer") throw error;
        log(`${what} is not used: ${error.message}`);
      }
    }
    return probe("embedded");
  }

  /** Starts a sandbox over nothing, as a new session would get it, and proves its policy. */
  async checkSandbox(id: string, choice: StartRequest["sandbox"]): Promise<SandboxCheck> {
    let place: SandboxHost | null = null;
    try {
      const sandbox = await this.chooseSandbox(id, { sandbox: choice, devContainer: "off" });
      const { log } = this.#options;
      const egress = sandbox.backend === "embedded" ? null : this.#egress.closed(log);
      place = this.#sandbox(id, { ...sandbox, egress }, log);
      return { sandbox, findings: await place.check() };
    } finally {
      await place?.stop();
      await this.removeHome(id);
    }
  }

  /** The dev container of the folder; null where it has none, or none is wanted. */
  async #devInfo({
    devContainer = "auto",
  }: Pick<ChooseRequest, "devContainer">): Promise<SandboxInfo | null> {
    if (devContainer === "off") return null;
    const { log, workspace } = this.#options;
    const found = await this.folderContainer(workspace, log).probe();
    return found === null ? null : { ...this.#wanted("docker"), ...found };
  }

  async runtimes(): Promise<readonly string[]> {
    return engineRuntimes(engineSocket(this.#options.dockerSocket));
  }

  folderContainer(folder: string, log: Log): FolderContainer {
    const { root, dockerSocket } = this.#options;
    return new FolderContainer({ folder, root, socketPath: engineSocket(dockerSocket), log });
  }

  /** Removes what processes that are gone left: containers, and copies of workspaces. Never throws. */
  async sweep(): Promise<void> {
    const { root, log } = this.#options;
    await reap({ marks: this.#marks, key: storeKey(root), isGone, log });
    try {
      await this.#removeAllCopiesOfTheDead();
    } catch (error) {
      log(`copies of ended processes are left: ${String(error)}`);
    }
  }

  /** The trees of a session; of no session, to look at stored ones. */
  trees(
    id: string | null,
    workspace = this.#options.workspace,
    { exclude = [], include = [] }: Pick<StartRequest, "exclude" | "include"> = {},
  ): SnapshotTrees {
    const { driver, root, secrets } = this.#options;
    const asRoot = process.getuid?.() === 0;
    return new SnapshotTrees({
      workspace,
      tree: id === null ? join(root, "none") : this.#copy(id),
      blobs: {
        putBlobs: async (blobs) => driver.putBlobs(id ?? "", blobs),
        getBlob: async (digest) => driver.getBlob(digest),
      },
      owner: asRoot ? { uid: 1000, gid: 1000 } : null,
      exclude,
      include,
      rules: readFolderRules,
      secrets: {
        areIn: (bytes) => secrets.areIn(bytes),
        text: (text) => secrets.persisted.text(text),
      },
    });
  }

  async removeCopy(id: string): Promise<void> {
    await rm(this.#copy(id), { recursive: true, force: true });
  }

  /** A killed process leaves its copy; the records have all of it that counts. */
  async removeCopiesOfTheDead(id: string): Promise<void> {
    // Sockets and pipes that it shared with its sandbox.
    for (const kind of ["pipes", "proxy"]) await removeOfTheDead(this.#home(id), kind);
    const copies = join(this.#home(id), "copies");
    const names = await readdir(copies).catch(() => []);
    const left = names.filter((name) => isDead(decodeURIComponent(name)));
    await Promise.all(
      left.map(async (name) => rm(join(copies, name), { recursive: true, force: true })),
    );
  }

  /** The same for every session of this machine's user: one that nobody opens again leaves nothing behind. */
  async #removeAllCopiesOfTheDead(): Promise<void> {
    const sessions = await readdir(join(this.#options.root, "sessions")).catch(() => []);
    for (const id of sessions) await this.removeCopiesOfTheDead(id);
  }

  /** Logs and copies of a session that is deleted. */
  async removeHome(id: string): Promise<void> {
    this.#logs.delete(id);
    await rm(this.#home(id), { recursive: true, force: true });
  }

  /** The files of a session's runtime log, oldest first. */
  async runtimeLog(id: string): Promise<readonly string[]> {
    return runtimeLogFiles(this.#homeOf(id));
  }

  /** The sandbox of a session with its life around it, and the log of both. */
  #worker(id: string, spec: SessionSpec, egress: Egress | null): Worker {
    const { sandbox: info, workspace, profile } = spec;
    const needsEgress = needsWayOut(profile);
    const { root, workers } = this.#options;
    const { devContainer } = info;
    const dev: DevPlace | null =
      devContainer === undefined
        ? null
        : {
            env: devContainer.env,
            directory: devContainer.directory,
            image: async () =>
              this.folderContainer(workspace, this.#logOf(id)).approvedImage(devContainer),
          };
    return new Worker({
      session: id,
      info,
      make: (write) => this.#sandbox(id, { ...info, dev, egress, needsEgress }, write),
      log: this.#logOf(id),
      note: (line) => this.#kept(id).write(line),
      tools: new KnownTools(root),
      workers,
    });
  }

  /** What a new session asks for. */
  #wanted(backend: SandboxInfo["backend"]): WantedSandbox {
    const { image, runtime, gpus } = this.#options;
    if (backend !== "docker") return { backend, image: null };
    return {
      backend,
      image,
      ...(runtime === null ? {} : { runtime }),
      ...(gpus === null ? {} : { gpus }),
    };
  }

  #sandbox(
    id: string,
    { backend, image, runtime, gpus, dev = null, egress = null, needsEgress }: WantedSandbox,
    log: Log,
  ): SandboxHost {
    const { dist, dockerSocket, image: usual, root, owner } = this.#options;
    const state = this.#home(id);
    const tree = this.#copy(id);
    if (backend === "embedded") {
      const worker = new URL("embeddedWorker.js", dist);
      return new EmbeddedSandbox({ tree, state, worker, log });
    }
    if (backend === "bubblewrap") return new BubblewrapSandbox({ tree, state, egress, log });
    return new DockerSandbox({
      session: id,
      tree,
      state,
      image: image ?? usual,
      recipe: new URL("../docker/sandbox.Dockerfile", dist).pathname,
      runtime: runtime ?? null,
      gpus: gpus ?? null,
      socketPath: engineSocket(dockerSocket),
      keeper: { owner, boot: thisBoot(), key: storeKey(root) },
      dev,
      egress,
      proxy: this.#egress.image(needsEgress ?? false),
      marks: this.#marks,
      log,
    });
  }

  get #marks(): string {
    return join(this.#options.root, "containers");
  }

  /** For people and for the session's own log. */
  #logOf(id: string): Log {
    const kept = this.#kept(id);
    return (line) => {
      this.#options.log(line);
      kept.write(line);
    };
  }

  #kept(id: string): RuntimeLog {
    let log = this.#logs.get(id);
    if (log === undefined) {
      log = new RuntimeLog(this.#home(id), this.#options.secrets.exported.text);
      this.#logs.set(id, log);
    }
    return log;
  }

  #home(id: string): string {
    const home = this.#homeOf(id);
    mkdirSync(home, { recursive: true, mode: 0o700 });
    return home;
  }

  /** A foreign store may name a session as it likes: no name leads out of Cairn's own directory. */
  #homeOf(id: string): string {
    if (sessionName.test(id)) return join(this.#options.root, "sessions", id);
    throw new CairnError(
      "session.unknown",
      `${JSON.stringify(id.slice(0, 80))} cannot be the name of a session here. cairn sessions lists those that there are.`,
    );
  }

  /**
   * This process's own copy of a session's workspace. Two processes that know one session, of
   * which one at most drives it, never share a copy: letting go of one cannot harm the other.
   */
  #copy(id: string): string {
    return join(this.#home(id), "copies", encodeURIComponent(this.#options.owner));
  }

  #skillsParts(info: SkillsInfo, folder: string): SkillsParts {
    return { approve: async () => this.#approvedSkills(folder).approve(info) };
  }

  #approvedSkills(folder: string): ApprovedSkills {
    return new ApprovedSkills(
      join(this.#options.root, "skills-approved"),
      folder,
      this.#skillCache,
    );
  }

  get #skillCache(): string {
    return join(this.#options.root, "skills");
  }
}
