import type { ExecResult, Sandbox } from "../core/ports.ts";
import type { Secrets } from "./secrets.ts";

/**
 * The same sandbox, whose output has no secrets: for tools that show a part of it, since half a
 * secret at the end of a part is none that anybody finds. Not for those that write back what they read.
 */
export function plainSandbox(sandbox: Sandbox, secrets: Secrets): Sandbox {
  const plain = (bytes: Uint8Array): Uint8Array => {
    const stream = secrets.stream();
    return Buffer.concat([stream.push(bytes), stream.end()]);
  };
  const withoutSecrets = (result: ExecResult): ExecResult => ({
    ...result,
    stdout: plain(result.stdout),
    stderr: plain(result.stderr),
  });
  return {
    run: async (command, options) => withoutSecrets(await sandbox.run(command, options)),
    execute: async (parts, options) => withoutSecrets(await sandbox.execute(parts, options)),
  };
}
