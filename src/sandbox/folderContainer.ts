import { createHash } from "node:crypto";
import { basename } from "node:path";
import type Docker from "dockerode";
import { CairnError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { DevContainer, SandboxInfo } from "../core/sandboxInfo.ts";
import { ApprovedImages } from "./approvedImages.ts";
import { readBuildContext, readFolderText, type BuildContext } from "./buildContext.ts";
import { readDevContainer, type DevContainerFile } from "./devContainerFile.ts";
import { connectEngine, engineUnavailable, statusOf } from "./dockerEngine.ts";
import { buildImage } from "./imageBuild.ts";

export interface FolderContainerOptions {
  /** The user's folder. */
  readonly folder: string;
  /** Cairn's own directory. */
  readonly root: string;
  readonly socketPath: string | null;
  readonly log: Log;
}

const places = [".devcontainer/devcontainer.json", ".devcontainer.json"] as const;

/** The dev container of a folder: what it asks for, whether that was approved, and its image. */
export class FolderContainer {
  readonly #options: FolderContainerOptions;
  readonly #approved: ApprovedImages;

  constructor(options: FolderContainerOptions) {
    this.#options = options;
    this.#approved = new ApprovedImages(options.root, options.folder);
  }

  /**
   * What would run; null where the folder has no dev container. Runs and builds nothing. Throws
   * `sandbox.unavailable`, `sandbox.imageMissing`, `sandbox.devContainer`.
   */
  async probe(): Promise<SandboxInfo | null> {
    const found = await this.#file();
    if (found === null) return null;
    const { path, asked } = found;
    const { source, env, directory, commands, refused } = asked;
    const docker = await this.#engine();
    const common = { file: path, env, directory, commands: [...commands], refused: [...refused] };
    if (source.kind === "image") {
      const identity = await this.#digestOf(docker, source.image);
      const approved = this.#approved.get(identity) === identity;
      return info(source.image, { ...common, identity, build: null, approved });
    }
    const context = await readBuildContext(this.#options.folder, source);
    const identity = identityOf(source, context);
    const image = tagOf(identity);
    const made = this.#approved.get(identity);
    const { dockerfile, files, tar } = context;
    return info(image, {
      ...common,
      identity,
      build: {
        path: source.dockerfile,
        dockerfile,
        context: source.context,
        files,
        bytes: tar.length,
        args: { ...source.args },
        target: source.target,
      },
      // An image that is gone is built again, from the same bytes.
      approved: made !== null && (await exists(docker, made)),
    });
  }

  /**
   * Makes what was approved ready and remembers it; resolves with the digest of its image. Throws
   * `sandbox.devContainer` when the folder has changed since, or it cannot be built.
   */
  async make(image: string, container: DevContainer, signal: AbortSignal): Promise<string> {
    const { identity, build } = container;
    const docker = await this.#engine();
    const made = this.#approved.get(identity);
    if (made !== null && (await exists(docker, made))) return made;
    const digest =
      build === null
        ? await this.#unchanged(docker, image, identity)
        : await this.#build(docker, { image, identity }, signal);
    this.#approved.add(identity, digest, image);
    return digest;
  }

  /** The image that may run. Throws `sandbox.imageRefused`. */
  async approvedImage({ identity }: Pick<DevContainer, "identity">): Promise<string> {
    const image = this.#approved.get(identity);
    if (image !== null) return image;
    throw new CairnError(
      "sandbox.imageRefused",
      "The image of this session was not approved on this machine, so nothing runs in it. Start a new session, which asks.",
    );
  }

  /** Forgets what was approved, so that the next session asks and builds again. Resolves with the images that it removed. */
  async rebuild(): Promise<readonly string[]> {
    const found = await this.#file();
    if (found === null) {
      throw new CairnError(
        "sandbox.devContainer",
        "This folder has no dev container: there is no .devcontainer/devcontainer.json. Make one first.",
      );
    }
    this.#approved.forget();
    const { source } = found.asked;
    if (source.kind === "image") return [];
    const context = await readBuildContext(this.#options.folder, source);
    const tag = tagOf(identityOf(source, context));
    const docker = await this.#engine();
    if (!(await exists(docker, tag))) return [];
    await docker.getImage(tag).remove({ force: true });
    return [tag];
  }

  async #file(): Promise<{ readonly path: string; readonly asked: DevContainerFile } | null> {
    const { folder } = this.#options;
    for (const path of places) {
      const text = await readFolderText(folder, path);
      if (text !== null) return { path, asked: readDevContainer(text, path, basename(folder)) };
    }
    return null;
  }

  async #build(
    docker: Docker,
    { image, identity }: { readonly image: string; readonly identity: string },
    signal: AbortSignal,
  ): Promise<string> {
    const found = await this.#file();
    if (found?.asked.source.kind === "build") {
      const { source } = found.asked;
      const context = await readBuildContext(this.#options.folder, source);
      if (identityOf(source, context) === identity) {
        const { log } = this.#options;
        return buildImage(docker, { tag: image, tar: context.tar, ...source }, { log, signal });
      }
    }
    throw changed();
  }

  async #unchanged(docker: Docker, image: string, identity: string): Promise<string> {
    if ((await this.#digestOf(docker, image)) === identity) return identity;
    throw changed();
  }

  async #digestOf(docker: Docker, image: string): Promise<string> {
    try {
      return (await docker.getImage(image).inspect()).Id;
    } catch (error) {
      if (statusOf(error) !== 404) throw engineUnavailable(this.#options.socketPath, error);
      throw new CairnError(
        "sandbox.imageMissing",
        `The image ${image} of this folder's dev container is not on this machine. Get it with: docker pull ${image}`,
        { cause: error },
      );
    }
  }

  async #engine(): Promise<Docker> {
    return connectEngine(this.#options.socketPath);
  }
}

function info(image: string, devContainer: DevContainer): SandboxInfo {
  return { backend: "docker", image, digest: devContainer.identity, limits: "", devContainer };
}

function identityOf(
  { args, target }: Extract<DevContainerFile["source"], { kind: "build" }>,
  { digest }: BuildContext,
): string {
  const all = JSON.stringify([digest, Object.entries(args), target]);
  return `build:${createHash("sha256").update(all).digest("hex")}`;
}

function tagOf(identity: string): string {
  return `cairn-dev:${identity.slice("build:".length, "build:".length + 16)}`;
}

function changed(): CairnError {
  return new CairnError(
    "sandbox.devContainer",
    "The dev container of this folder has changed since it was approved. Start a new session, which shows it as it is now.",
  );
}

async function exists(docker: Docker, image: string): Promise<boolean> {
  return docker
    .getImage(image)
    .inspect()
    .then(
      () => true,
      () => false,
    );
}
