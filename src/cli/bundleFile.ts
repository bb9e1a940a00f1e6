import { open, rm, type FileHandle } from "node:fs/promises";
import { bundleLines } from "../engine.ts";
import { usageError } from "./usageError.ts";

/** The lines of a file. Throws `usage.invalid` where there is none, `bundle.invalid` for what is no text. */
export async function* readBundle(path: string): AsyncIterable<string> {
  yield* bundleLines((await existing(path)).createReadStream());
}

/** Writes lines into a new file, readable by its owner only; a file that is there stays, and half a file does not. */
export async function writeBundle(path: string, lines: AsyncIterable<string>): Promise<void> {
  const file = await create(path);
  try {
    for await (const line of lines) await file.appendFile(line);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

async function existing(path: string): Promise<FileHandle> {
  const sentence = `There is no file ${path} to read. Name one that cairn export has made.`;
  const file = await open(path).catch((error: unknown) => {
    throw usageError(sentence, error);
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw usageError(sentence);
}

async function create(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx", 0o600);
  } catch (error) {
    const taken = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw usageError(
      taken
        ? `There is a file ${path} already, and it stays. Name a new one with --out.`
        : `The file ${path} cannot be made. Name another one with --out.`,
      error,
    );
  }
}
