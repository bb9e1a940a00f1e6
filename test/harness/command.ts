import { spawn } from "node:child_process";
import { root } from "./root.ts";

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Shows the output as it comes; otherwise it is kept for whoever reports a failure. */
  readonly show?: boolean;
}

export interface CommandResult {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program to its end. Rejects only when it cannot be started. */
export async function command(
  program: string,
  args: readonly string[],
  { cwd = root, env = process.env, show = false }: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: string): void => {
    output += chunk;
    if (show) process.stdout.write(chunk);
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** The same for a step that must succeed. */
export async function mustRun(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { code, output } = await command(program, args, options);
  if (code === 0) return output;
  const detail = options.show === true ? "" : `\n${output}`;
  throw new Error(`\`${program} ${args.join(" ")}\` failed with exit code ${code}.${detail}`);
}
