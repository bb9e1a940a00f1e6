import type { Container } from "dockerode";
import { execState } from "./dockerEngine.ts";
import { dockerFrames } from "./dockerFrames.ts";

/** What a program of an image says is not trusted to be short. */
const keptBytes = 1024 * 1024;

export interface Executed {
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Null when the engine does not know. */
  readonly exitCode: number | null;
}

/** Runs one program to its end, beside the session's shell and unseen by it. Keeps the first megabyte of each stream. */
export async function execInside(
  container: Container,
  command: readonly string[],
): Promise<Executed> {
  const exec = await container.exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({ hijack: true, stdin: false });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    const sinks = { stdout: keepIn(stdout), stderr: keepIn(stderr) };
    stream.on("data", dockerFrames(sinks, reject));
    stream.on("end", resolve).on("close", resolve).on("error", reject);
  });
  return {
    stdout: Buffer.concat(stdout),
    stderr: Buffer.concat(stderr).toString("utf8"),
    exitCode: (await execState(exec)).exitCode,
  };
}

function keepIn(kept: Buffer[]): (bytes: Buffer) => void {
  let room = keptBytes;
  return (bytes) => {
    if (room > 0) kept.push(Buffer.from(bytes.subarray(0, room)));
    room -= bytes.length;
  };
}
