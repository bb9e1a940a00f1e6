import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import type { Identity } from "../core/records.ts";
import { checkedSecret, checkedSecretName } from "../core/secretText.ts";
import { secretFiles } from "../processParts.ts";
import type { Arguments } from "./arguments.ts";
import { withAudit } from "./auditCommands.ts";
import type { Command } from "./command.ts";
import { exitCodes } from "./exitCodes.ts";
import { plain } from "./plain.ts";
import { usageError } from "./usageError.ts";

/** `cairn secrets`, and what changes them. A value is never an argument and never shown. Throws `usage.invalid`, `secret.invalid`. */
export function secretsCommand({ rest, values }: Arguments, by: Identity): Command {
  const [what = "list", given = ""] = rest;
  const files = secretFiles(process.env);
  const say = (sentence: string, facts: object): void => {
    process.stdout.write(values.json ? `${JSON.stringify(facts)}\n` : plain(`${sentence}\n`));
  };
  switch (what) {
    case "list":
      return async () => {
        const names = await files.names();
        say(names.length === 0 ? "There are no secrets." : names.join("\n"), { names });
        return exitCodes.done;
      };
    case "set": {
      const name = checkedSecretName(given);
      return async () => {
        const value = checkedSecret(name, await typed(name));
        await noted(`the secret ${name} is set`, by);
        await files.set(name, value);
        say(`The secret ${name} is set.`, { set: name });
        return exitCodes.done;
      };
    }
    case "remove": {
      const name = checkedSecretName(given);
      return async () => {
        await noted(`the secret ${name} is removed`, by);
        const removed = await files.remove(name);
        say(removed ? `The secret ${name} is removed.` : `There is no secret ${name}.`, {
          removed,
        });
        return removed ? exitCodes.done : exitCodes.failed;
      };
    }
    default:
      throw usageError(
        `There is no cairn secrets ${what}. Use: cairn secrets, secrets set NAME, or secrets remove NAME`,
      );
  }
}

/** What comes on standard input; on a terminal, what is typed and not shown. */
async function typed(name: string): Promise<string> {
  if (!process.stdin.isTTY) return text(process.stdin);
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: unseen, terminal: true });
  process.stderr.write(`Value of ${name} (it is not shown): `);
  try {
    return await lines.question("");
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}

async function noted(what: string, by: Identity): Promise<void> {
  const nothing = { session: null, step: null, operation: null, digest: null, outcome: null };
  await withAudit(async (audit) => audit.write({ kind: "rule", ...nothing, by, what }));
}
