import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { lstat, open, readdir, readlink, realpath } from "node:fs/promises";
import { join } from "node:path";
import { CairnError } from "../core/errors.ts";
import { isSecretFile } from "../core/secretFile.ts";
import { dockerIgnore } from "./dockerIgnore.ts";
import { tarOf, type TarEntry } from "./tarFile.ts";

export interface BuildContext {
  /** The Dockerfile's text, which lies in the archive as {@link dockerfileName}. */
  readonly dockerfile: string;
  readonly tar: Buffer;
  /** Over all of it. */
  readonly digest: string;
  readonly files: number;
}

export const dockerfileName = ".cairn.Dockerfile";

const largestBytes = 100 * 1024 * 1024;
const mostFiles = 20_000;
const largestText = 1024 * 1024;
/** Never of use in an image, and large. */
const always = new Set([".git", ".cairn"]);

/**
 * Reads what an image is built from out of a folder: no link is followed, `.dockerignore` is
 * heeded, and files that may hold secrets are left out, since the agent reads what is in the image. Throws `sandbox.devContainer` for what is missing or too much.
 */
export async function readBuildContext(
  folder: string,
  { dockerfile, context }: { readonly dockerfile: string; readonly context: string },
): Promise<BuildContext> {
  const text = await readFolderText(folder, dockerfile);
  if (text === null) throw unusable(`there is no file ${dockerfile}`);
  const root = await directoryIn(folder, context);
  const ignored = dockerIgnore((await readFolderText(root, ".dockerignore")) ?? "");
  const entries: TarEntry[] = [];
  await collect(root, "", { ignored, entries, bytes: 0 });
  const files = entries.filter(({ body }) => body !== "directory").length;
  entries.push({ path: dockerfileName, mode: 0o644, body: { file: Buffer.from(text) } });
  const tar = tarOf(entries);
  const digest = createHash("sha256").update(tar).digest("hex");
  return { dockerfile: text, tar, digest, files };
}

/** A text file of a folder, by its path with `/`; null when there is none. Follows no link on the way. */
export async function readFolderText(folder: string, path: string): Promise<string | null> {
  const parts = path.split("/");
  const name = parts.pop() ?? "";
  try {
    const directory = await directoryIn(folder, parts.join("/"));
    const { bytes } = await readRegular(join(directory, name), largestText);
    return bytes.toString("utf8");
  } catch (error) {
    if (CairnError.is(error)) throw error;
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code === "ENOENT") return null;
    if (code === "ELOOP") throw unusable(`${path} is a link, and no link is followed`);
    throw unusable(`${path} cannot be read`);
  }
}

async function directoryIn(folder: string, path: string): Promise<string> {
  let here = await realpath(folder);
  for (const part of path.split("/").filter((each) => each !== "")) {
    here = join(here, part);
    const entry = await lstat(here);
    if (!entry.isDirectory()) throw unusable(`${path} is no directory of the folder`);
  }
  return here;
}

interface Collecting {
  readonly ignored: (path: string) => boolean;
  readonly entries: TarEntry[];
  bytes: number;
}

async function collect(root: string, path: string, found: Collecting): Promise<void> {
  const names = (await readdir(join(root, path))).toSorted();
  for (const name of names) {
    const below = path === "" ? name : `${path}/${name}`;
    if (always.has(name) || below === dockerfileName) continue;
    await add(root, below, found);
    if (found.entries.length > mostFiles || found.bytes > largestBytes) {
      throw unusable(
        `the image would be built from more than ${largestBytes / 1024 / 1024} MB or ${mostFiles} files; list in .dockerignore what it does not need`,
      );
    }
  }
}

async function add(root: string, path: string, found: Collecting): Promise<void> {
  const place = join(root, path);
  const entry = await lstat(place);
  const left = found.ignored(path);
  const mode = entry.mode & 0o777;
  if (entry.isDirectory()) {
    // A line with "!" may keep a file in a directory that is left out.
    if (!left) found.entries.push({ path, mode, body: "directory" });
    await collect(root, path, found);
  } else if (left || isSecretFile(path.slice(path.lastIndexOf("/") + 1))) return;
  else if (entry.isSymbolicLink()) {
    found.entries.push({ path, mode, body: { link: await readlink(place) } });
  } else if (entry.isFile()) {
    const { bytes } = await readRegular(place, largestBytes - found.bytes + 1);
    found.bytes += bytes.length;
    found.entries.push({ path, mode, body: { file: bytes } });
  }
}

/** Never waits for a pipe, never follows a link, never reads more than it should. */
async function readRegular(path: string, most: number): Promise<{ readonly bytes: Buffer }> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const { size } = await handle.stat();
    if (size > most) throw unusable(`${path.replace(/.*\//u, "")} is too large`);
    return { bytes: await handle.readFile() };
  } finally {
    await handle.close();
  }
}

function unusable(reason: string): CairnError {
  return new CairnError(
    "sandbox.devContainer",
    `The dev container of this folder cannot be used: ${reason}. Mend it, or turn it off with cairn.sandbox.devContainer or --dev-container off.`,
  );
}
