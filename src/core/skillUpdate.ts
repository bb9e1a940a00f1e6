import * as z from "zod";
import { CairnError } from "./errors.ts";
import type { FlowContext } from "./flowDefinition.ts";
import type { SkillsInfo } from "./records.ts";
import type { WaitSubject } from "./waitSubject.ts";
import { approval } from "./waits.ts";

/** What remembers the skills that were approved. */
export interface SkillsParts {
  /** From now on these skills are what their source may give to sessions of this folder. */
  approve(): Promise<void>;
}

/**
 * What a skill says governs the agent, so a source that gives other text than the one that was
 * approved for this folder is asked about before the model reads any of it. Throws `Parked`,
 * `skills.refused`.
 */
export async function useSkills(context: FlowContext, parts: SkillsParts | null): Promise<void> {
  const { flow, spec } = context;
  const { skills } = spec;
  if (skills?.update === undefined) return;
  const { unattended, answerWithinMs } = spec.profile;
  if (parts === null || unattended) throw refused(skills, "nobody is there to approve it");
  const timed = answerWithinMs === null ? {} : { deadlineMs: answerWithinMs };
  const question = "Use the skills as their source gives them now?";
  const answer = await flow.wait(
    "skills/approval",
    approval(question, subjectOf(skills, skills.update), timed),
  );
  if (answer.ended !== null) {
    const late = answer.ended === "expired";
    throw refused(skills, late ? "nobody answered in time" : "the question was taken back");
  }
  if (!answer.value.approved) throw refused(skills, answer.value.note || "the operator said no");
  // Once: a session that goes on later must not bring back what another one left behind.
  const once = { kind: "step", inputs: { digest: skills.digest }, output: z.null() } as const;
  await flow.step("skills/approved", once, async () => parts.approve().then(() => null));
}

function subjectOf(
  { source, commit, digest }: SkillsInfo,
  { from, changes }: NonNullable<SkillsInfo["update"]>,
): WaitSubject {
  return { kind: "skillUpdate", source, from, to: commit ?? digest, files: changes };
}

function refused({ source }: SkillsInfo, why: string): CairnError {
  return new CairnError(
    "skills.refused",
    `The skills of ${source} changed and were not approved (${why}), so the session did not begin. Name the commit that you know after # in the source, or start again and approve the change.`,
  );
}
