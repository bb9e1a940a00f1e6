import { createInterface } from "node:readline/promises";
import { pastWords } from "../core/actionWords.ts";
import { parseAnswer } from "../core/answerText.ts";
import { decision, type JsonValue } from "../core/records.ts";
import type { OpenWait } from "../core/replay.ts";
import type { GrantOffer, Sessions } from "../core/sessions.ts";
import { plain } from "./plain.ts";
import { usageError } from "./usageError.ts";

/** Says yes or no to what it prints; null where nobody can be asked. */
export type Confirm = ((question: string) => Promise<boolean>) | null;

/**
 * What was typed, as the value of an answer. A wider yes is only given where it is offered; one for
 * always shows its rule, and is asked about once more. Throws `wait.invalidAnswer`, `usage.invalid`.
 */
export async function chosenAnswer(
  sessions: Pick<Sessions, "waitFacts">,
  wait: OpenWait,
  given: { readonly value: string; readonly yes: boolean; readonly confirm: Confirm },
): Promise<JsonValue> {
  const answer = parseAnswer(wait, given.value);
  const grant = decision.safeParse(answer).data?.grant;
  if (grant === undefined) return answer;
  const { grants } = await sessions.waitFacts(wait.session, wait.wait);
  const offer = grants.find((each) => each.grant === grant);
  if (offer === undefined) {
    const offered = grants.map((each) => `"approve: ${each.grant}"`).join(" or ");
    const others = offered === "" ? "" : ` It takes ${offered}, too.`;
    throw usageError(
      `No wider yes of this kind is offered for ${wait.wait}. Answer "approve".${others}`,
    );
  }
  const from = offer.from === null ? "" : `From ${offer.from}.\n`;
  process.stderr.write(plain(`${offer.sentence}\n${from}${pastWords(offer.past)}\n`));
  if (grant !== "session" && !given.yes) await makeSure(offer, given.confirm);
  return answer;
}

/** Asks on the terminal; null where input or output is none. */
export function terminalConfirm(): Confirm {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return null;
  return async (question) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return (await lines.question(question)).trim().toLowerCase() === "yes";
    } finally {
      lines.close();
    }
  };
}

async function makeSure({ sentence }: GrantOffer, confirm: Confirm): Promise<void> {
  if (confirm === null) {
    throw usageError(
      `This would be a rule from now on: ${sentence} Give --yes as well to save it; nothing was answered.`,
    );
  }
  if (await confirm('Type "yes" to save this rule: ')) return;
  throw usageError("The rule was not saved, and nothing was answered.");
}
