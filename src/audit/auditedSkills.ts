import type { AuditLog, SkillLibrary, World } from "../core/ports.ts";

/** Skills of a session, each of which is on record in the audit log before the model has it. */
export function auditedSkills(
  skills: SkillLibrary,
  {
    audit,
    world,
    session,
  }: { readonly audit: AuditLog; readonly world: World; readonly session: string },
): SkillLibrary {
  return {
    list: async () => skills.list(),
    read: async (skill, path) => {
      const found = await skills.read(skill, path);
      if (found === null) return null;
      await audit.write({
        kind: "skills",
        session,
        step: null,
        operation: null,
        digest: world.digest(found.text),
        by: null,
        what: `loaded ${path === "" ? "SKILL.md" : path} of the skill ${skill}`,
        outcome: null,
      });
      return found;
    },
  };
}
