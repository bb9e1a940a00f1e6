import { CairnError } from "./errors.ts";
import { offersFor, type Grant } from "./grant.ts";
import type { World } from "./ports.ts";
import { decision, type JsonValue } from "./records.ts";
import type { WaitSubject } from "./waitSubject.ts";
import type { OpenWait } from "./replay.ts";
import type { Tool } from "./tool.ts";

/**
 * Checks what a decision says beyond yes and no, while nothing is on record: that edited arguments
 * are arguments of the tool, and that a wider yes was there to be given. Resolves with that, or
 * null. Throws `wait.invalidAnswer`: the wait stays open.
 */
export function checkedDecision(
  { world, tools }: { readonly world: World; readonly tools: readonly Tool[] },
  { session, wait, waitKind, subject }: OpenWait,
  answer: JsonValue,
  folder: string,
): Grant | null {
  const given = decision.safeParse(answer).data;
  if ((waitKind !== "approval" && waitKind !== "budget") || given === undefined) return null;
  const { approved, grant, args } = given;
  if (grant === undefined && args === undefined) return null;
  const refuse = (why: string): CairnError =>
    new CairnError("wait.invalidAnswer", `That is no answer to ${wait}: ${why} It stays open.`);
  if (!approved) throw refuse("a no has neither new arguments nor a rule.");
  if (args !== undefined && grant !== undefined) {
    throw refuse("a call that you changed is approved once; a rule is for what was asked.");
  }
  if (args !== undefined) {
    const why = misfit(tools, subject, args);
    if (why !== null) throw refuse(why);
    return null;
  }
  const found = offersFor(world, { session, subject }, folder).find((one) => one.grant === grant);
  if (found === undefined) throw refuse("it can be approved once, and not for more.");
  return found;
}

/** Why edited arguments cannot be used, in a sentence; null when they can. */
function misfit(tools: readonly Tool[], subject: WaitSubject, args: JsonValue): string | null {
  if (subject.kind !== "tool") return "there are no arguments to change.";
  const tool = tools.find(({ name }) => name === subject.tool);
  const prepared = tool?.prepare({ id: "edited", tool: subject.tool, args: JSON.stringify(args) });
  if (prepared?.kind === "run") return null;
  return prepared?.kind === "refused" ? prepared.text : `${subject.tool} takes no other arguments.`;
}
