import type { Log } from "./core/ports.ts";
import type { EngineOptions } from "./engineOptions.ts";
import { Secrets } from "./redaction/secrets.ts";
import { SecretFiles } from "./rules/secretFiles.ts";
import { stateRoot } from "./durable/storePlace.ts";
import { runningWorkers, type ProcessStatus } from "./sandbox/statusSocket.ts";
import { Workers } from "./sandbox/workers.ts";

/** What joins the sandboxes of all engines of a process behind one socket. Whoever makes it closes it. */
export function processWorkers(environment: NodeJS.ProcessEnv, log: Log): Workers {
  return new Workers(stateRoot(environment), log);
}

/** What a process knows to be secret: for all of its engines, and for what it says itself. */
export function processSecrets(environment: NodeJS.ProcessEnv): Secrets {
  const secrets = new Secrets();
  secrets.registerEnvironment(environment);
  return secrets;
}

/** The secrets that this user keeps for the terminal. */
export function secretFiles(environment: NodeJS.ProcessEnv): SecretFiles {
  return new SecretFiles(stateRoot(environment));
}

/** Makes every secret known as one, before anything is recorded. What cannot be read is said. */
export async function learnSecrets(
  { secret, secretNames, log }: Pick<EngineOptions, "secret" | "secretNames" | "log">,
  secrets: Secrets,
): Promise<void> {
  for (const name of (await secretNames?.()) ?? []) {
    try {
      secrets.register((await secret?.(name)) ?? "");
    } catch (error) {
      log(error instanceof Error ? error.message : String(error));
    }
  }
}

/** What every process of this user says of the sandboxes that it runs. */
export async function runningSandboxes(
  environment: NodeJS.ProcessEnv,
): Promise<readonly ProcessStatus[]> {
  return runningWorkers(stateRoot(environment));
}
