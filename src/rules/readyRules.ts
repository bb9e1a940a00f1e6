import { realpath } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { EgressRequest } from "../core/egress.ts";
import { covers, mayCover } from "../core/egressFit.ts";
import type { ReadyRule } from "../core/proxyRule.ts";
import { ruleFor } from "./namedAddress.ts";
import { readOwn } from "./ownFile.ts";

export interface ReadyRulesOptions {
  /** The user's folder. */
  readonly workspace: string;
  readonly home: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * What the user's npm and pip configuration and the folder's remotes name, as rules that only read.
 * Files are read as text, and nothing is run. What a folder says comes last.
 */
export class ReadyRules {
  readonly #options: ReadyRulesOptions;

  constructor(options: ReadyRulesOptions) {
    this.#options = options;
  }

  /** The first one that covers a request; null when none does. Throws nothing. */
  async find(request: EgressRequest): Promise<ReadyRule | null> {
    const fits = request.method === null ? mayCover : covers;
    return (await this.all()).find(({ proxy }) => fits(proxy, request)) ?? null;
  }

  async all(): Promise<readonly ReadyRule[]> {
    const { workspace } = this.#options;
    const [npm, pip, folderNpm, remotes] = await Promise.all([
      this.#npm(),
      this.#pip(),
      textOf(join(workspace, ".npmrc")),
      remotesOf(workspace),
    ]);
    const found: (ReadyRule | null)[] = [
      ...npm.map((address) => registry("npm", address, "your npm configuration", "user")),
      ...pip.map((address) => registry("pip", address, "your pip configuration", "user")),
      ...remotes.map(({ name, address }) => repository(name, address)),
      ...npmRegistries(folderNpm).map((address) =>
        registry(
          "npm",
          address,
          "the folder's own .npmrc: whoever made the folder wrote it",
          "folder",
        ),
      ),
    ];
    return found.filter((one) => one !== null);
  }

  async #npm(): Promise<readonly string[]> {
    const { home, environment } = this.#options;
    const named = environment["npm_config_userconfig"] ?? environment["NPM_CONFIG_USERCONFIG"];
    const own = environment["npm_config_registry"] ?? environment["NPM_CONFIG_REGISTRY"];
    return [
      ...(own === undefined ? [] : [own]),
      ...npmRegistries(await userText(named ?? join(home, ".npmrc"))),
    ];
  }

  async #pip(): Promise<readonly string[]> {
    const { home, environment } = this.#options;
    const config = environment["XDG_CONFIG_HOME"] ?? join(home, ".config");
    const files = [
      environment["PIP_CONFIG_FILE"],
      join(config, "pip", "pip.conf"),
      join(home, ".pip", "pip.conf"),
    ].filter((path) => path !== undefined);
    const texts = await Promise.all(files.map(userText));
    const variables = [environment["PIP_INDEX_URL"], environment["PIP_EXTRA_INDEX_URL"]];
    return [...variables.map((one) => one ?? ""), ...texts.map(pipIndexes)].flatMap((text) =>
      text.split(/\s+/).filter(Boolean),
    );
  }
}

/** What a package tool reads: a registry's folder, and for an index the packages that lie beside it. */
function registry(
  kind: "npm" | "pip",
  address: string,
  from: string,
  whose: ReadyRule["whose"],
): ReadyRule | null {
  const proxy = ruleFor(kind, address, (folder) => ({
    methods: ["GET", "HEAD"],
    paths: [kind === "pip" ? folder.replace(/\/simple\/$/, "/") : folder],
  }));
  return proxy === null ? null : { proxy, from, whose };
}

/** What a clone and a fetch send, and never what a push does. */
function repository(name: string, address: string): ReadyRule | null {
  const proxy = ruleFor("git", address, (folder) => {
    const bare = folder.replace(/(?:\.git)?\/$/, "");
    const places = [bare, `${bare}.git`];
    return {
      methods: ["GET", "POST"],
      paths: places.flatMap((place) => [`${place}/info/refs`, `${place}/git-upload-pack`]),
    };
  });
  const from = `the remote ${name} of this folder, to clone and fetch and not to push`;
  return proxy === null ? null : { proxy, from, whose: "folder" };
}

/** Addresses of registries in the text of an npmrc. No other line of it is looked at. */
function npmRegistries(text: string): readonly string[] {
  return text.split("\n").flatMap((line) => {
    const value = /^\s*(?:@[^\s:=]+:)?registry\s*=\s*(.+?)\s*$/.exec(line)?.[1] ?? "";
    const address = value.replaceAll(/^["']|["']$/g, "");
    // What has a variable in it is not looked up.
    return address === "" || address.includes("${") ? [] : [address];
  });
}

/** Addresses of indexes in the text of a pip.conf; a value may go on in lines that are set in. */
function pipIndexes(text: string): string {
  const found: string[] = [];
  let isIndex = false;
  for (const line of text.split("\n")) {
    if (/^\s*[#;]/.test(line)) continue;
    const named = /^([\w-]+)\s*[=:]\s*(.*)$/.exec(line);
    if (named !== null) isIndex = /^(?:extra-)?index-url$/.test(named[1] ?? "");
    else if (!/^\s/.test(line)) isIndex = false;
    if (isIndex) found.push(named?.[2] ?? line);
  }
  return found.join(" ");
}

interface Remote {
  readonly name: string;
  readonly address: string;
}

/** Remotes of the repository that a folder is a work tree of, by its text alone. */
async function remotesOf(folder: string): Promise<readonly Remote[]> {
  const git = join(folder, ".git");
  const pointer = /^gitdir: (.+)\n?$/.exec(await textOf(git))?.[1];
  const own = pointer === undefined ? git : resolve(folder, pointer);
  const common = (await textOf(join(own, "commondir"))).trim();
  const text = await textOf(join(common === "" ? own : resolve(own, common), "config"));
  const remotes: Remote[] = [];
  let name: string | null = null;
  for (const line of text.split("\n")) {
    if (/^\s*\[/.test(line)) name = /^\s*\[remote "([^"\\\]]+)"\]\s*$/.exec(line)?.[1] ?? null;
    const address = /^\s*url\s*=\s*(\S+)\s*$/.exec(line)?.[1];
    if (name !== null && address !== undefined) remotes.push({ name, address });
  }
  return remotes;
}

/** The user's own files may be links to where they are kept. */
async function userText(path: string): Promise<string> {
  return textOf(await realpath(path).catch(() => path));
}

async function textOf(path: string): Promise<string> {
  const found = await readOwn(path, "anybody");
  return found.kind === "text" ? found.text : "";
}
