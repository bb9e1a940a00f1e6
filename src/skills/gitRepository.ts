import { createHash } from "node:crypto";
import { simpleGit, type SimpleGit } from "simple-git";
import { CairnError } from "../core/errors.ts";
import { unsafe } from "./skillFiles.ts";

const blockMs = 60_000;
/** A longer listing is a bomb, not skills. */
const maxListingBytes = 2 * 1024 * 1024;
/** What the files of skills hold together at most. */
export const maxContentBytes = 16 * 1024 * 1024;
/** How to get out, and whom to trust; nothing else of the host's environment reaches git. */
const passedOn = [
  "PATH",
  "SystemRoot",
  "https_proxy",
  "HTTPS_PROXY",
  "no_proxy",
  "NO_PROXY",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];

export interface GitFile {
  readonly mode: string;
  readonly object: string;
  readonly size: number;
  readonly path: string;
}

/**
 * A bare repository that only fetches and reads objects: no checkout, so no filter, link or
 * submodule; an empty template, so no hook; an empty home, so no configuration but its own.
 */
export class GitRepository {
  readonly #directory: string;
  readonly #protocol: "https" | "file";

  /** `directory` is empty and nobody else writes to it. */
  constructor(directory: string, protocol: "https" | "file") {
    this.#directory = directory;
    this.#protocol = protocol;
  }

  /** Fetches the ref and resolves it to its commit. */
  async fetch(url: string, ref: string): Promise<string> {
    await this.#raw(["init", "--bare", "--quiet", "--template="]);
    const fetch = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"];
    try {
      await this.#raw([...fetch, "--depth=1", url, `+${ref}:refs/cairn/wanted`]);
      return await this.#commit("refs/cairn/wanted");
    } catch {
      // Some servers hand out branches and tags only, not a single commit by its id.
      await this.#raw([...fetch, url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
      return this.#commit(ref);
    }
  }

  /** Every file of a commit, each with its mode; none of them is read. */
  async files(commit: string): Promise<readonly GitFile[]> {
    const listing = await this.#raw(["ls-tree", "-r", "-l", "-z", "--full-tree", commit]);
    return listing
      .split("\0")
      .filter((line) => line !== "")
      .map(fileOf);
  }

  /** Contents in the order asked for. Throws when an object is not what its name says. */
  async read(files: readonly GitFile[]): Promise<readonly Uint8Array[]> {
    const objects = [...new Map(files.map((file) => [file.object, file])).values()];
    if (objects.length === 0) return [];
    // `show` writes the objects one after the other: sizes tell them apart, hashes prove it.
    const ids = objects.map(({ object }) => object);
    const all = await this.#guarded(maxContentBytes, async (git) =>
      git.showBuffer(["--no-textconv", ...ids]),
    );
    const contents = new Map<string, Uint8Array>();
    let at = 0;
    for (const { object, size, path } of objects) {
      const bytes = all.subarray(at, at + size);
      if (objectName(bytes, object) !== object) {
        throw unsafe(path, "the repository holds other bytes than its commit names");
      }
      contents.set(object, bytes);
      at += size;
    }
    return files.map(({ object }) => contents.get(object) ?? new Uint8Array());
  }

  async #commit(name: string): Promise<string> {
    const found = await this.#raw(["rev-parse", "--verify", "--quiet", `${name}^{commit}`]);
    return found.trim();
  }

  async #raw(args: readonly string[]): Promise<string> {
    return this.#guarded(maxListingBytes, async (git) => git.raw([...args]));
  }

  /** Ends git as soon as it says more than any skills could. */
  async #guarded<T>(maxBytes: number, work: (git: SimpleGit) => Promise<T>): Promise<T> {
    const flood = new AbortController();
    const git = simpleGit({
      baseDir: this.#directory,
      abort: flood.signal,
      timeout: { block: blockMs },
      config: ["gc.auto=0", "maintenance.auto=false"],
      allowEnvironment: ["GIT_CONFIG_NOSYSTEM", "GIT_TERMINAL_PROMPT", "GIT_ALLOW_PROTOCOL"],
      // The template is the constant above: none.
      unsafe: { allowUnsafeTemplateDir: true },
    })
      .env(environment(this.#directory, this.#protocol))
      .outputHandler((_command, stdout) => {
        let length = 0;
        stdout.on("data", (chunk: Buffer) => {
          length += chunk.length;
          if (length > maxBytes) flood.abort();
        });
      });
    try {
      return await work(git);
    } catch (error) {
      if (!flood.signal.aborted) throw error;
      throw new CairnError(
        "skills.unsafe",
        "The repository holds far more than skills, so it was refused. Use one that holds only skills.",
        { cause: error },
      );
    }
  }
}

function environment(home: string, protocol: string): Record<string, string> {
  const kept = passedOn.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    ...Object.fromEntries(kept),
    HOME: home,
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: protocol,
  };
}

function fileOf(line: string): GitFile {
  const tab = line.indexOf("\t");
  const [mode = "", , object = "", size = ""] = line.slice(0, tab).split(/ +/);
  return { mode, object, size: Number(size), path: line.slice(tab + 1) };
}

/** What git calls these bytes; a name of 64 digits is SHA-256. */
function objectName(bytes: Uint8Array, like: string): string {
  const hash = createHash(like.length === 64 ? "sha256" : "sha1");
  return hash.update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}
