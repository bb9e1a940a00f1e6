import { mkdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { CairnError } from "./core/errors.ts";
import type { FlowDefinition } from "./core/flowDefinition.ts";
import type { DurableDriver, Log, ResolvedSkills, SandboxHost, World } from "./core/ports.ts";
import type { SandboxInfo, SessionRecord, SessionSpec } from "./core/records.ts";
import type { SessionParts } from "./core/session.ts";
import type { SandboxCheck, SandboxChoice } from "./core/sessions.ts";
import { isDead, isGone, thisBoot } from "./durable/owner.ts";
import { storeKey } from "./durable/storePlace.ts";
import type { ModelSource } from "./model/modelSource.ts";
import { redactText } from "./bundle/redactText.ts";
import { BubblewrapSandbox } from "./sandbox/bubblewrapSandbox.ts";
import { DockerSandbox } from "./sandbox/dockerSandbox.ts";
import { EmbeddedSandbox } from "./sandbox/embeddedSandbox.ts";
import { reap } from "./sandbox/reaper.ts";
import { engineSocket } from "./sandbox/engineSocket.ts";
import { KnownTools } from "./sandbox/knownTools.ts";
import { RuntimeLog, runtimeLogFiles } from "./sandbox/runtimeLog.ts";
import { Worker } from "./sandbox/worker.ts";
import type { Workers } from "./sandbox/workers.ts";
import { parseSkillSource } from "./skills/parseSkillSource.ts";
import { RecalledSkills } from "./skills/recalledSkills.ts";
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
  readonly flows: readonly FlowDefinition[];
  /** The sandboxes that this process has running. */
  readonly workers: Workers;
}

/** What of a sandbox is chosen before it is found. */
type WantedSandbox = Pick<SandboxInfo, "backend" | "image" | "runtime" | "gpus">;

/** Makes what one session runs with: sandbox, trees, tools, skills. A flow or a tool of one's own gets its line here. */
export class PartsMaker {
  readonly #options: PartsOptions;

  constructor(options: PartsOptions) {
    this.#options = options;
  }

  parts(
    id: string,
    spec: SessionSpec,
  ): { readonly parts: SessionParts; readonly sandbox: SandboxHost } {
    const { driver, world, models, onRecord, flows } = this.#options;
    const sandbox = this.#worker(id, spec.sandbox);
    const skills = new RecalledSkills({
      cache: this.#skillCache,
      digest: spec.skills?.digest ?? "",
    });
    const parts: SessionParts = {
      driver,
      world,
      model: models.model(spec.model),
      tools: [
        execTool(sandbox),
        readFileTool(sandbox),
        writeFileTool(sandbox),
        editFileTool(sandbox),
        listFilesTool(sandbox),
        searchTool(sandbox),
        skillTool(skills),
        askQuestionTool(),
      ],
      trees: this.trees(id, spec.workspace, spec.exclude),
      sandbox,
      flows,
      onRecord,
    };
    return { parts, sandbox };
  }

  async skills(source: string | null): Promise<ResolvedSkills> {
    const { shippedSkills } = this.#options;
    return parseSkillSource(source ?? shippedSkills, { cache: this.#skillCache }).resolve();
  }

  async chooseSandbox(id: string, choice: SandboxChoice): Promise<SandboxInfo> {
    const { log } = this.#options;
    const probe = async (backend: SandboxInfo["backend"]): Promise<SandboxInfo> =>
      this.#sandbox(id, this.#wanted(backend), log).probe();
    if (choice !== "auto") return probe(choice);
    // What only a container has was asked for: nothing else will do.
    const { runtime, gpus } = this.#options;
    if (runtime !== null || gpus !== null) return probe("docker");
    for (const backend of ["docker", "bubblewrap"] as const) {
      try {
        return await probe(backend);
      } catch (error) {
        if (!CairnError.is(error)) throw error;
        log(`${backend} is not used: ${error.message}`);
      }
    }
    return probe("embedded");
  }

  /** Starts a sandbox over nothing, as a new session would get it, and proves its policy. */
  async checkSandbox(id: string, choice: SandboxChoice): Promise<SandboxCheck> {
    let place: SandboxHost | null = null;
    try {
      const sandbox = await this.chooseSandbox(id, choice);
      place = this.#sandbox(id, sandbox, this.#options.log);
      return { sandbox, findings: await place.check() };
    } finally {
      await place?.stop();
      await this.removeHome(id);
    }
  }

  /** Removes what container engines still have of processes that are gone. Never throws. */
  async reapContainers(): Promise<void> {
    const { root, log } = this.#options;
    await reap({ marks: this.#marks, key: storeKey(root), isGone, log });
  }

  /** The trees of a session; of no session, to look at stored ones. */
  trees(
    id: string | null,
    workspace = this.#options.workspace,
    exclude: readonly string[] = [],
  ): SnapshotTrees {
    const { driver, root } = this.#options;
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
    });
  }

  async removeCopy(id: string): Promise<void> {
    await rm(this.#copy(id), { recursive: true, force: true });
  }

  /** A killed process leaves its copy; the records have all of it that counts. */
  async removeCopiesOfTheDead(id: string): Promise<void> {
    const copies = join(this.#home(id), "copies");
    const names = await readdir(copies).catch(() => []);
    const left = names.filter((name) => isDead(decodeURIComponent(name)));
    await Promise.all(
      left.map(async (name) => rm(join(copies, name), { recursive: true, force: true })),
    );
  }

  /** Logs and copies of a session that is deleted. */
  async removeHome(id: string): Promise<void> {
    await rm(this.#home(id), { recursive: true, force: true });
  }

  /** The files of a session's runtime log, oldest first. */
  async runtimeLog(id: string): Promise<readonly string[]> {
    return runtimeLogFiles(join(this.#options.root, "sessions", id));
  }

  /** The sandbox of a session with its life around it, and the log of both. */
  #worker(id: string, info: SandboxInfo): Worker {
    const { root, workers, log } = this.#options;
    const kept = new RuntimeLog(this.#home(id), (line) => redactText(line, []).text);
    return new Worker({
      session: id,
      info,
      make: (write) => this.#sandbox(id, info, write),
      log: (line) => {
        log(line);
        kept.write(line);
      },
      note: (line) => kept.write(line),
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

  #sandbox(id: string, { backend, image, runtime, gpus }: WantedSandbox, log: Log): SandboxHost {
    const { dist, dockerSocket, image: usual, root, owner } = this.#options;
    const state = this.#home(id);
    const tree = this.#copy(id);
    if (backend === "embedded") {
      const worker = new URL("embeddedWorker.js", dist);
      return new EmbeddedSandbox({ tree, state, worker, log });
    }
    if (backend === "bubblewrap") return new BubblewrapSandbox({ tree, state, log });
    return new DockerSandbox({
      session: id,
      tree,
      state,
      image: image ?? usual,
      runtime: runtime ?? null,
      gpus: gpus ?? null,
      socketPath: engineSocket(dockerSocket),
      keeper: { owner, boot: thisBoot(), key: storeKey(root) },
      marks: this.#marks,
      log,
    });
  }

  get #marks(): string {
    return join(this.#options.root, "containers");
  }

  #home(id: string): string {
    const home = join(this.#options.root, "sessions", id);
    mkdirSync(home, { recursive: true, mode: 0o700 });
    return home;
  }

  /**
   * This process's own copy of a session's workspace. Two processes that know one session, of
   * which one at most drives it, never share a copy: letting go of one cannot harm the other.
   */
  #copy(id: string): string {
    return join(this.#home(id), "copies", encodeURIComponent(this.#options.owner));
  }

  get #skillCache(): string {
    return join(this.#options.root, "skills");
  }
}
